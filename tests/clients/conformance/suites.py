"""The suites: one client over one transport each, with the tests that hold the emulator to what it needs."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .world import OUTPUT, PARTS

TESTS = Path(__file__).resolve().parents[1]
SECONDS = 120


@dataclass(frozen=True)
class Suite:
    """One column of the support matrix."""

    name: str
    """On the command line, and in file names."""
    client: str
    """The client as its registry calls it, with its pinned version."""
    transport: str
    """What it speaks."""
    command: tuple
    """The test runner."""
    hub: str
    """The hub it works on; what counts or lists everything sees its own traces only."""
    environment: tuple = ()

    def run(self, world):
        """Runs it to its end; what it found is in its results, whatever its tests printed in its log."""
        results = OUTPUT / f"{self.name}.ndjson"
        results.unlink(missing_ok=True)
        own = {"CONFORMANCE_RESULTS": str(results), "CONFORMANCE_HUB": self.hub, **dict(self.environment)}
        began = time.monotonic()
        with open(OUTPUT / f"{self.name}.log", "wb") as log:
            try:
                code = subprocess.run(
                    self.command,
                    env={**world.environment(), **own},
                    stdout=log,
                    stderr=log,
                    timeout=SECONDS,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                code = f"no end within {SECONDS} s"
        return code, time.monotonic() - began


def _node(folder, **environment):
    tests = sorted(str(file) for file in (TESTS / "node" / folder).glob("*.test.js"))
    own = {"NODE_PATH": str(PARTS / "node_modules"), **environment}
    return {"command": ("node", "--test", *tests), "environment": tuple(own.items())}


def _python(folder, **environment):
    python = str(PARTS / "python/bin/python")
    own = {"PYTHONPATH": str(TESTS / "python"), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = (
        python,
        "-W",
        "ignore::DeprecationWarning",
        "-m",
        "unittest",
        "discover",
        "--verbose",
        "--start-directory",
        str(TESTS / "python" / folder),
    )
    return {"command": command, "environment": tuple(own.items())}


def _all():
    node_device = "azure-iot-device 1.18.4 (Node)"
    python_device = "azure-iot-device 2.14.0 (Python)"
    yield Suite("node-service", "azure-iothub 1.16.6 (Node)", "HTTPS", hub="contoso", **_node("service"))
    yield Suite("python-service", "azure-iot-hub 2.7.0 (Python)", "HTTPS", hub="fabrikam", **_python("service"))
    yield Suite("node-device-tls", node_device, "MQTT", hub="contoso", **_node("device", TRANSPORT="Mqtt"))
    yield Suite(
        "node-device-ws", node_device, "MQTT over WebSockets", hub="contoso", **_node("device", TRANSPORT="MqttWs")
    )
    yield Suite("python-device-tls", python_device, "MQTT", hub="fabrikam", **_python("device"))
    yield Suite(
        "python-device-ws", python_device, "MQTT over WebSockets", hub="fabrikam", **_python("device", WEBSOCKETS="1")
    )
    if any((TESTS / "python/events").glob("test_*.py")):
        yield Suite("python-events", "azure-eventhub 5.15.1 (Python)", "AMQP", hub="contoso", **_python("events"))


SUITES = tuple(_all())
# Some of the device suites mostly wait; more at once than this would be two clients a processor.
AT_ONCE = max(4, os.cpu_count() or 1)
