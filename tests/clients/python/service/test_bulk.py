"""Bulk registry calls."""

from azure.iot.hub.models import AuthenticationMechanism, ExportImportDevice, PropertyContainer, SymmetricKey

from contract import fact, unique
from hub import KEY, OTHER_KEY, OnHub

AREA = "bulk registry"


def item(device, mode, **members):
    keys = SymmetricKey(primary_key=KEY, secondary_key=OTHER_KEY)
    members = {
        "status": "enabled",
        "authentication": AuthenticationMechanism(type="sas", symmetric_key=keys),
        **members,
    }
    return ExportImportDevice(id=device, import_mode=mode, **members)


class Bulk(OnHub):
    def bulk(self, *items):
        """Whether all went well, and each error's device and code."""
        result = self.hub.bulk_create_or_update_devices(list(items))
        return result.is_successful, [(error.device_id, error.error_code) for error in result.errors]

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices(create)",
        service="takes a bare array and answers isSuccessful",
        source="LAB; REC; TF",
    )
    def test_create(self):
        devices = [unique("bulk") for _ in range(3)]
        self.assertEqual(self.bulk(*(item(device, "create") for device in devices)), (True, []))
        self.assertEqual(self.hub.get_device(devices[2]).authentication.symmetric_key.primary_key, KEY)

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices(create) with a twin",
        service="leaves the twin at ETag 1, version 2, desired.$version 1",
        source="REC BulkCreation_DeviceWithTwin",
    )
    def test_create_with_twin(self):
        device = unique("bulk")
        self.bulk(item(device, "create", tags={"site": "A"}, properties=PropertyContainer(desired={"rate": 5})))
        twin = self.hub.get_twin(device)
        self.assertEqual((twin.tags, twin.properties.desired["rate"]), ({"site": "A"}, 5))
        self.assertEqual((twin.etag, twin.version, twin.properties.desired["$version"]), ("AAAAAAAAAAE=", 2, 1))

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices(create) with one that is there",
        service="answers 400 with the result as its body, and makes the others",
        source="SWAGGER 400 schema; TF App.D; that the others are made: INFERRED",
    )
    def test_partial_failure(self):
        there, fresh = self.device(), unique("bulk")
        found = self.bulk(item(there, "create"), item(fresh, "create"))
        self.assertEqual(found, (False, [(there, "DeviceAlreadyExists")]))
        self.assertEqual(self.hub.get_device(fresh).device_id, fresh)

    @fact(
        area=AREA, call="bulk_create_or_update_devices(update)", service="updates what is there only", source="SWAGGER"
    )
    def test_update(self):
        there, missing = self.device(), unique("none")
        found = self.bulk(item(there, "update", status="disabled"), item(missing, "update"))
        self.assertEqual(found, (False, [(missing, "DeviceNotFound")]))
        self.assertEqual(self.hub.get_device(there).status, "disabled")

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices(updateIfMatchETag)",
        service="refuses a stale eTag",
        source="SWAGGER",
    )
    def test_update_by_etag(self):
        device = self.device()
        etag = self.hub.get_device(device).etag
        disabled = item(device, "updateIfMatchETag", e_tag=etag, status="disabled")
        self.assertEqual(self.bulk(disabled), (True, []))
        self.assertEqual(self.bulk(disabled), (False, [(device, "PreconditionFailed")]))

    @fact(area=AREA, call="bulk_create_or_update_devices(delete)", service="needs an id and a mode only", source="REC")
    def test_delete(self):
        device = self.device()
        self.assertEqual(self.bulk(ExportImportDevice(id=device, import_mode="delete", e_tag="stale")), (True, []))
        self.assert_refused(404, "DeviceNotFound", self.hub.get_device, device)

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices(deleteIfMatchETag)",
        service="refuses a stale eTag, takes a missing one",
        source="REC",
    )
    def test_delete_by_etag(self):
        device = self.device()
        found = self.bulk(ExportImportDevice(id=device, import_mode="deleteIfMatchETag", e_tag="stale"))
        self.assertEqual(found, (False, [(device, "PreconditionFailed")]))
        self.assertEqual(self.bulk(ExportImportDevice(id=device, import_mode="deleteIfMatchETag")), (True, []))

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices(updateTwin)",
        service="merges and leaves the identity",
        source="CS e2e BulkOperationsE2ETests; merge: INFERRED",
    )
    def test_update_twin(self):
        device = self.device()
        etag = self.hub.get_device(device).etag
        for tags in ({"site": "A"}, {"floor": 1}):
            self.assertEqual(
                self.bulk(ExportImportDevice(id=device, import_mode="updateTwin", status="enabled", tags=tags)),
                (True, []),
            )
        self.assertEqual(self.hub.get_twin(device).tags, {"site": "A", "floor": 1})
        self.assertEqual(self.hub.get_device(device).etag, etag)

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices(updateTwinIfMatchETag)",
        service="refuses a stale twinETag",
        source="SWAGGER",
    )
    def test_update_twin_by_etag(self):
        device = self.device()
        patch = ExportImportDevice(
            id=device,
            import_mode="updateTwinIfMatchETag",
            status="enabled",
            twin_etag="AAAAAAAAAAE=",
            tags={"site": "A"},
        )
        self.assertEqual(self.bulk(patch), (True, []))
        self.assertEqual(self.bulk(patch), (False, [(device, "PreconditionFailed")]))

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices(create) of a module",
        service="makes it on a device that is there",
        source="ISSUE:azure-sdk-for-net PR#13241",
    )
    def test_module(self):
        device = self.device()
        self.assertEqual(self.bulk(item(device, "create", module_id="camera")), (True, []))
        self.assertEqual(self.hub.get_module(device, "camera").authentication.symmetric_key.primary_key, KEY)

    @fact(
        area=AREA,
        call="bulk_create_or_update_devices() of 101",
        service="answers 413 TooManyDevices",
        source="CS ErrorCode.cs",
    )
    def test_too_many(self):
        items = [item(unique("bulk"), "create") for _ in range(101)]
        self.assert_refused(413, "TooManyDevices", self.hub.bulk_create_or_update_devices, items)
