"""What the clients meet: four hubs of one emulator, and a storage emulator beside it."""

import json
import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import storage

ROOT = Path(__file__).resolve().parents[3]
PARTS = ROOT / "target/test-parts"
OUTPUT = PARTS / "conformance"

# Two hubs with an address each.
APART = {"contoso.azure-devices.net": "127.0.1.1", "fabrikam.azure-devices.net": "127.0.1.2"}
# Two on one address, told apart by SNI, Host header and MQTT user name.
TOGETHER = {"northwind.azure-devices.net": "127.0.2.1", "adventure.azure-devices.net": "127.0.2.1"}
HOSTS = {**APART, **TOGETHER}

READY_SECONDS = 30


class World:
    """The running emulators; ends them, by their ids, when the block ends."""

    def __init__(self, binary):
        self.binary = binary
        self.processes = []
        self.directory = Path(tempfile.mkdtemp(prefix="iothub-conformance-"))

    def __enter__(self):
        if not (self.binary.exists() and (PARTS / "node_modules").exists() and (PARTS / "python").exists()):
            raise SystemExit("the emulator's debug build or a client is missing: tests/run makes them")
        try:
            OUTPUT.mkdir(parents=True, exist_ok=True)
            self.ready = self._start_emulator()
            self.storage = self._start_storage()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def environment(self):
        """What every client is started with: where the hubs are, and whom to trust."""
        ca = self.ready["caFile"]
        trust = dict.fromkeys(("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), ca)
        hubs = {hub["hostName"].split(".")[0]: hub for hub in self.ready["hubs"]}
        world = {
            "hubs": hubs,
            "eventHubs": self.ready["eventHubs"],
            "control": self.ready["control"],
            "storage": self.storage,
        }
        return {**os.environ, **trust, "CONFORMANCE_WORLD": json.dumps(world)}

    def _start_emulator(self):
        # It ends with its standard input, so never outlives this program.
        command = [self.binary, "--exit-with-stdin", "--ca-dir", self.directory]
        for host, address in HOSTS.items():
            command += ["--hub", f"{host}@{address}"]
        process = self._start(command, "emulator", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        readable, _, _ = select.select([process.stdout], [], [], READY_SECONDS)
        line = process.stdout.readline() if readable else b""
        if not line:
            raise SystemExit(f"the emulator is not ready: see {OUTPUT / 'emulator.log'}")
        return json.loads(line)

    def _start_storage(self):
        self._start(storage.command(PARTS), "azurite", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        storage.wait()
        return storage.access()

    def _start(self, command, name, **streams):
        words = [str(word) for word in command]
        with open(OUTPUT / f"{name}.log", "wb") as log:
            process = subprocess.Popen(words, stderr=log, cwd=self.directory, **streams)
        self.processes.append(process)
        return process
