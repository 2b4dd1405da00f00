"""Twins, by the device."""

import queue

from azure.iot.device.exceptions import ClientError
from azure.iot.hub.models import Twin, TwinProperties

from contract import fact
from devices import WithDevices

AREA = "twins, by the device"


def desired(**members):
    return Twin(properties=TwinProperties(desired=members))


class Twins(WithDevices):
    def assert_status(self, status, client, patch):
        """The answer to a reported patch has this status."""
        with self.assertRaises(ClientError) as raised:
            client.patch_twin_reported_properties(patch)
        self.assertEqual(str(raised.exception.__cause__), f"twin operation returned status {status}")

    def reported(self, device):
        return self.hub.get_twin(device).properties.reported

    @fact(
        area=AREA,
        call="get_twin()",
        service="answers desired and reported, without metadata and tags",
        source="LAB; DOC iot-mqtt-connect",
    )
    def test_get(self):
        device = self.device()
        self.hub.update_twin(device, Twin(tags={"site": "A"}, properties=TwinProperties(desired={"rate": 5})))
        with self.connected(device) as (client, _):
            self.assertEqual(client.get_twin(), {"desired": {"rate": 5, "$version": 2}, "reported": {"$version": 1}})

    @fact(
        area=AREA,
        call="patch_twin_reported_properties()",
        service="merges, and moves reported.$version and version but not the ETag",
        source="REC; BLOG:xmi; ISSUE:azure-docs#22112",
    )
    def test_report(self):
        with self.connected() as (client, device):
            client.patch_twin_reported_properties({"fw": "1.2", "deep": {"a": 1, "b": 2}})
            client.patch_twin_reported_properties({"deep": {"a": None}})
            twin = self.hub.get_twin(device)
            self.assertEqual((twin.properties.reported["fw"], twin.properties.reported["deep"]), ("1.2", {"b": 2}))
            self.assertEqual((twin.etag, twin.version, twin.properties.reported["$version"]), ("AAAAAAAAAAE=", 4, 3))

    @fact(
        area=AREA,
        call="patch_twin_reported_properties() of equal values",
        service="is a write like any other",
        source="ISSUE:iotedge#1252",
    )
    def test_report_again(self):
        with self.connected() as (client, device):
            for _ in range(2):
                client.patch_twin_reported_properties({"fw": "1.2"})
            self.assertEqual(self.reported(device)["$version"], 3)

    @fact(
        area=AREA,
        call="patch_twin_reported_properties() with a bad key",
        service="answers 400 and writes nothing",
        source="ISSUE:azure-iot-sdk-java#243; LAB",
    )
    def test_bad_key(self):
        with self.connected() as (client, device):
            self.assert_status(400, client, {"a.b": 1})
            self.assertEqual(self.reported(device)["$version"], 1)

    @fact(
        area=AREA,
        call="patch_twin_reported_properties() beyond 32 KB",
        service="answers 400 and writes nothing",
        source="DOC device-twins",
    )
    def test_too_large(self):
        with self.connected() as (client, device):
            self.assert_status(400, client, {f"r{number}": "x" * 4000 for number in range(9)})
            self.assertEqual(self.reported(device)["$version"], 1)

    @fact(
        area=AREA,
        call="patch_twin_reported_properties() with $version in the body",
        service="answers 400",
        source="INFERRED from the rule for keys",
    )
    def test_version_in_body(self):
        with self.connected() as (client, device):
            self.assert_status(400, client, {"$version": 1, "fw": "2"})
            self.assertNotIn("fw", self.reported(device))

    def notified(self, client, write):
        """The desired patch that follows `write`."""
        patches = queue.Queue()
        client.on_twin_desired_properties_patch_received = patches.put
        write()
        return patches.get(timeout=30)

    @fact(
        area=AREA,
        call="on_twin_desired_properties_patch_received and a PATCH",
        service="sends the patch as it was written, with $version",
        source="ISSUE:azure-docs#21334; LAB",
    )
    def test_desired_patch(self):
        with self.connected() as (client, device):
            patch = self.notified(client, lambda: self.hub.update_twin(device, desired(rate=5, deep={"a": 1})))
            self.assertEqual(patch, {"rate": 5, "deep": {"a": 1}, "$version": 2})

    @fact(
        area=AREA,
        call="on_twin_desired_properties_patch_received and a PUT",
        service="sends null for what is gone",
        source="ISSUE:azure-iot-sdk-csharp#954",
    )
    def test_desired_replaced(self):
        with self.connected() as (client, device):
            self.hub.update_twin(device, desired(rate=5, gone=1))
            patch = self.notified(client, lambda: self.hub.replace_twin(device, desired(rate=6)))
            self.assertEqual(patch, {"rate": 6, "gone": None, "$version": 3})
