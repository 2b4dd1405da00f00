"""Twins, by the service."""

from azure.iot.hub.models import Twin, TwinProperties

from contract import fact, unique
from hub import OnHub

AREA = "twins, by the service"


def desired(**members):
    return Twin(properties=TwinProperties(desired=members))


class Twins(OnHub):
    def assert_counters(self, twin, etag, version, desired_version, reported_version):
        properties = twin.properties
        found = (twin.etag, twin.version, properties.desired["$version"], properties.reported["$version"])
        self.assertEqual(found, (etag, version, desired_version, reported_version))

    @fact(
        area=AREA,
        call="get_twin() of a fresh device",
        service="begins at ETag 1, version 2, both $version 1",
        source="REC",
    )
    def test_fresh(self):
        twin = self.hub.get_twin(self.device())
        self.assert_counters(twin, "AAAAAAAAAAE=", 2, 1, 1)
        self.assertEqual(
            (twin.authentication_type, twin.status, twin.connection_state), ("sas", "enabled", "Disconnected")
        )

    @fact(area=AREA, call="get_twin() of nothing", service="answers 404 DeviceNotFound", source="TF")
    def test_nothing(self):
        self.assert_refused(404, "DeviceNotFound", self.hub.get_twin, unique("none"))

    @fact(area=AREA, call="update_twin(etag)", service="writes and moves the counters by one", source="REC")
    def test_right_etag(self):
        twin = self.hub.get_twin(self.device())
        self.assert_counters(self.hub.update_twin(twin.device_id, desired(rate=5), twin.etag), "AAAAAAAAAAI=", 3, 2, 1)

    @fact(
        area=AREA,
        call="update_twin(stale etag)",
        service="answers 412 PreconditionFailed and writes nothing",
        source="REC",
    )
    def test_stale_etag(self):
        twin = self.hub.get_twin(self.device())
        self.hub.update_twin(twin.device_id, Twin(tags={"site": "A"}))
        self.assert_refused(
            412, "PreconditionFailed", self.hub.update_twin, twin.device_id, Twin(tags={"site": "B"}), twin.etag
        )
        self.assertEqual(self.hub.get_twin(twin.device_id).tags, {"site": "A"})

    @fact(
        area=AREA,
        call="update_twin() without etag",
        service='sends "*" and writes whatever is there',
        source="LAB; REC",
    )
    def test_any_etag(self):
        device = self.device()
        for site in "AB":
            self.assertEqual(self.hub.update_twin(device, Twin(tags={"site": site})).tags, {"site": site})

    @fact(
        area=AREA,
        call="protocol.devices.update_twin(unquoted etag)",
        service="ignores the precondition and writes",
        source="ISSUE:azure-iot-sdk-node#606, azure-iot-sdk-python#716",
    )
    def test_unquoted_etag(self):
        # What clients sent before they quoted: the layer below update_twin, which does not quote.
        twin = self.hub.get_twin(self.device())
        self.hub.update_twin(twin.device_id, Twin(tags={"site": "A"}))
        written = self.hub.protocol.devices.update_twin(twin.device_id, Twin(tags={"site": "B"}), twin.etag)
        self.assertEqual(written.tags, {"site": "B"})

    @fact(
        area=AREA,
        call="replace_twin(etag)",
        service="forgets what is not in it, and refuses a stale etag with 412",
        source="TF; SWAGGER",
    )
    def test_replace(self):
        device = self.device()
        first = self.hub.update_twin(
            device, Twin(tags={"site": "A"}, properties=TwinProperties(desired={"rate": 5, "gone": 1}))
        )
        second = self.hub.replace_twin(device, desired(rate=6), first.etag)
        self.assertEqual(
            (second.tags, second.properties.desired["rate"], "gone" in second.properties.desired), (None, 6, False)
        )
        self.assert_refused(412, "PreconditionFailed", self.hub.replace_twin, device, desired(rate=7), first.etag)

    @fact(
        area=AREA,
        call="replace_twin() without etag",
        service='sends "*" and writes whatever is there',
        source="LAB; REC",
    )
    def test_replace_any(self):
        device = self.device()
        self.hub.update_twin(device, Twin(tags={"site": "A"}))
        self.assertEqual(self.hub.replace_twin(device, Twin(tags={"floor": 1})).tags, {"floor": 1})

    @fact(
        area=AREA,
        call="update_twin() of reported",
        service="answers 200 and ignores them",
        source="DOC howto-device-twins; REC; SWAGGER",
    )
    def test_reported(self):
        patch = Twin(properties=TwinProperties(reported={"fw": "9"}, desired={"rate": 5}))
        twin = self.hub.update_twin(self.device(), patch)
        self.assertEqual(("fw" in twin.properties.reported, twin.properties.reported["$version"]), (False, 1))

    @fact(
        area=AREA,
        call="update_twin() of a twin that was read",
        service="takes and ignores $metadata and $version",
        source="REC DeviceTwinLifecycle",
    )
    def test_read_only_members(self):
        device = self.device()
        self.hub.update_twin(device, desired(rate=5))
        written = self.hub.update_twin(device, self.hub.get_twin(device))
        self.assertEqual((written.properties.desired["rate"], written.properties.desired["$version"]), (5, 3))

    @fact(
        area=AREA,
        call="update_twin() with a bad key",
        service="answers 400 ArgumentInvalid and says which",
        source="ISSUE:azure-iot-sdk-java#243; TF",
    )
    def test_bad_key(self):
        refused = self.assert_refused(
            400, "ArgumentInvalid", self.hub.update_twin, self.device(), Twin(tags={"a b": 1})
        )
        self.assertIn("invalid characters", refused.text)

    @fact(area=AREA, call="update_twin() beyond 32 KB of desired", service="answers 400", source="DOC device-twins")
    def test_too_large(self):
        big = {f"d{number}": "x" * 4000 for number in range(9)}
        self.assert_refused(400, "ArgumentInvalid", self.hub.update_twin, self.device(), desired(**big))

    @fact(
        area=AREA,
        call="update_module_twin() and replace_module_twin()",
        service="work as for devices",
        source="REC; SWAGGER",
    )
    def test_module(self):
        device = self.device()
        self.hub.create_module_with_sas(device, "camera", "", "", "")
        first = self.hub.get_module_twin(device, "camera")
        self.assert_counters(first, "AAAAAAAAAAE=", 2, 1, 1)
        second = self.hub.update_module_twin(device, "camera", Twin(tags={"lens": 50}), first.etag)
        self.assertEqual(second.tags, {"lens": 50})
        call = self.hub.replace_module_twin
        self.assert_refused(412, "PreconditionFailed", call, device, "camera", desired(rate=5), first.etag)
        self.assertEqual(call(device, "camera", desired(rate=5), second.etag).tags, None)
