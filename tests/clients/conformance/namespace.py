"""A network and a hosts file of our own, so that the ports the clients insist on (443, 8883, 5672) are free to take."""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile

INSIDE = "IOTHUB_CONFORMANCE_INSIDE"
# The first works for everybody where the kernel lets users make namespaces, the second for root where it does not.
WAYS = (["unshare", "--user", "--map-root-user", "--net", "--mount"], ["unshare", "--net", "--mount"])
REFUSED = """\
No user and network namespace: `unshare --user --map-root-user --net --mount` is not allowed here.
The official clients dial 443 and 8883 and cannot be told otherwise, so they need a network of their own.
Allow it (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0,
user.max_user_namespaces above 0; in a container: --security-opt seccomp=unconfined) or run this as root."""


def enter(hosts):
    """Starts this program again in a namespace in which `hosts` (name to address) holds; returns only when inside."""
    if INSIDE not in os.environ:
        _start_again()
    _raise_loopback()
    _mount_hosts(hosts)


def _start_again():
    for way in WAYS:
        if _works(way):
            os.execvpe(way[0], [*way, "--", sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})
    sys.exit(REFUSED)


def _works(way):
    try:
        return subprocess.run([*way, "--", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        sys.exit("unshare is missing (Debian: util-linux)")


def _raise_loopback():
    """What `ip link set lo up` does, without needing iproute2: SIOCGIFFLAGS, then SIOCSIFFLAGS with IFF_UP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.unpack_from("16sh", fcntl.ioctl(control, 0x8913, struct.pack("16sh22x", b"lo", 0)))[1]
        fcntl.ioctl(control, 0x8914, struct.pack("16sh22x", b"lo", flags | 1))


def _mount_hosts(hosts):
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as file:
        file.write("127.0.0.1 localhost\n")
        file.writelines(f"{address} {name}\n" for name, address in hosts.items())
        file.flush()
        # Clients that drop privileges must still read it.
        os.chmod(file.name, 0o644)
        _bind(file.name, "/etc/hosts")


def _bind(source, target):
    libc = ctypes.CDLL(None, use_errno=True)
    ms_bind = 4096
    if libc.mount(source.encode(), target.encode(), None, ms_bind, None) != 0:
        sys.exit(f"{target} cannot be replaced: {os.strerror(ctypes.get_errno())}")
