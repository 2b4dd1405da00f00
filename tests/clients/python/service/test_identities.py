"""Device identities and statistics."""

from contract import fact, unique
from hub import KEY, OTHER_KEY, THUMBPRINT, OnHub

AREA = "device identities"


class Identities(OnHub):
    @fact(area=AREA, call="create_device_with_sas(keys)", service="keeps the keys", source="REC; TF")
    def test_given_keys(self):
        keys = self.hub.create_device_with_sas(unique("keys"), KEY, OTHER_KEY, "enabled").authentication.symmetric_key
        self.assertEqual((keys.primary_key, keys.secondary_key), (KEY, OTHER_KEY))

    @fact(area=AREA, call="create_device_with_sas(empty keys)", service="mints two of 44 characters", source="TF; LAB")
    def test_minted_keys(self):
        keys = self.hub.create_device_with_sas(unique("minted"), "", "", "enabled").authentication.symmetric_key
        self.assertEqual((len(keys.primary_key), len(keys.secondary_key)), (44, 44))
        self.assertNotEqual(keys.primary_key, keys.secondary_key)

    @fact(area=AREA, call="create_device_with_x509()", service="keeps the thumbprints", source="SWAGGER; TF")
    def test_thumbprints(self):
        device = unique("self-signed")
        self.hub.create_device_with_x509(device, THUMBPRINT, THUMBPRINT.lower(), "disabled")
        read = self.hub.get_device(device)
        prints = read.authentication.x509_thumbprint
        self.assertEqual((prints.primary_thumbprint, prints.secondary_thumbprint), (THUMBPRINT, THUMBPRINT.lower()))
        self.assertEqual((read.authentication.type, read.status), ("selfSigned", "disabled"))

    @fact(area=AREA, call="create_device_with_certificate_authority()", service="stores the type", source="SWAGGER")
    def test_certificate_authority(self):
        device = self.hub.create_device_with_certificate_authority(unique("ca"), "enabled")
        self.assertEqual(device.authentication.type, "certificateAuthority")

    @fact(
        area=AREA,
        call="create_device_with_sas() of what is there",
        service="answers 409 DeviceAlreadyExists",
        source="REC; TF §11.1",
    )
    def test_create_twice(self):
        refused = self.assert_refused(
            409,
            "DeviceAlreadyExists",
            self.hub.create_device_with_sas,
            device := self.device(),
            KEY,
            OTHER_KEY,
            "enabled",
        )
        self.assertEqual(
            refused.json()["Message"],
            f"ErrorCode:DeviceAlreadyExists;A device with ID '{device}' is already registered.",
        )

    @fact(area=AREA, call="get_device()", service="answers the identity with its keys", source="REC")
    def test_get(self):
        device = self.hub.get_device(self.device("read"))
        self.assertEqual(device.authentication.symmetric_key.primary_key, KEY)
        self.assertEqual((device.connection_state, device.cloud_to_device_message_count), ("Disconnected", 0))

    @fact(area=AREA, call="get_device() of nothing", service="answers 404 DeviceNotFound", source="TF")
    def test_get_nothing(self):
        self.assert_refused(404, "DeviceNotFound", self.hub.get_device, unique("none"))

    @fact(area=AREA, call="get_device() of an odd id", service="decodes it once", source="LAB; DOC identity-registry")
    def test_odd_id(self):
        device = self.device("a%41#?+'(),=@;$!*_:.")
        self.assertEqual(self.hub.get_device(device).device_id, device)

    @fact(area=AREA, call="get_devices(top)", service="answers at most so many", source="SWAGGER")
    def test_list(self):
        made = {self.device("listed") for _ in range(3)}
        self.assertEqual(len(self.hub.get_devices(2)), 2)
        self.assertLessEqual(made, {device.device_id for device in self.hub.get_devices()})

    @fact(
        area=AREA,
        call="update_device_with_sas(etag)",
        service="moves the ETag, and refuses a stale one with 412",
        source="REC; TF §11.1",
    )
    def test_update(self):
        created = self.hub.get_device(self.device("updated"))
        call, device = self.hub.update_device_with_sas, created.device_id
        updated = call(device, created.etag, KEY, OTHER_KEY, "disabled")
        self.assertEqual((updated.status, updated.generation_id), ("disabled", created.generation_id))
        self.assert_refused(412, "PreconditionFailed", call, device, created.etag, KEY, OTHER_KEY, "enabled")
        self.assertEqual(self.hub.get_device(device).status, "disabled")

    @fact(area=AREA, call="update_device_with_sas('*')", service="writes whatever is there", source="REC; LAB")
    def test_update_anyway(self):
        device = self.device("updated")
        updated = self.hub.update_device_with_sas(device, "*", OTHER_KEY, KEY, "enabled")
        self.assertEqual(updated.authentication.symmetric_key.primary_key, OTHER_KEY)

    @fact(area=AREA, call="update_device_with_x509()", service="changes how a device authenticates", source="SWAGGER")
    def test_update_kind(self):
        created = self.hub.get_device(self.device("changed"))
        updated = self.hub.update_device_with_x509(created.device_id, created.etag, THUMBPRINT, THUMBPRINT, "enabled")
        self.assertEqual(updated.authentication.type, "selfSigned")
        updated = self.hub.update_device_with_certificate_authority(created.device_id, updated.etag, "enabled")
        self.assertEqual(updated.authentication.type, "certificateAuthority")

    @fact(area=AREA, call="update_device_with_sas() of nothing", service="answers 404", source="TF §11.1")
    def test_update_nothing(self):
        call = self.hub.update_device_with_sas
        self.assert_refused(404, "DeviceNotFound", call, unique("none"), "*", KEY, OTHER_KEY, "enabled")

    @fact(
        area=AREA,
        call="protocol.devices.delete_identity() without If-Match",
        service="answers 412: the ETag is missing",
        source="TF §11.1",
    )
    def test_delete_without_etag(self):
        self.assert_refused(412, "PreconditionFailed", self.hub.protocol.devices.delete_identity, self.device())

    @fact(
        area=AREA, call="delete_device(etag)", service="deletes, and refuses a stale etag with 412", source="TF §11.1"
    )
    def test_delete(self):
        device = self.device("deleted")
        etag = self.hub.get_device(device).etag
        self.hub.update_device_with_sas(device, etag, KEY, OTHER_KEY, "disabled")
        self.assert_refused(412, "PreconditionFailed", self.hub.delete_device, device, etag)
        self.hub.delete_device(device, self.hub.get_device(device).etag)
        self.assert_refused(404, "DeviceNotFound", self.hub.get_device, device)

    @fact(area=AREA, call="delete_device() of nothing", service="answers 404", source="TF §11.1")
    def test_delete_nothing(self):
        self.assert_refused(404, "DeviceNotFound", self.hub.delete_device, unique("none"))


class Statistics(OnHub):
    @fact(area="statistics", call="get_device_registry_statistics()", service="counts devices by status", source="REC")
    def test_devices(self):
        self.device(status="disabled")
        counted = self.hub.get_device_registry_statistics()
        self.assertGreater(counted.disabled_device_count, 0)
        self.assertEqual(counted.total_device_count, counted.enabled_device_count + counted.disabled_device_count)

    @fact(area="statistics", call="get_service_statistics()", service="counts connected devices", source="REC")
    def test_service(self):
        self.assertGreaterEqual(self.hub.get_service_statistics().connected_device_count, 0)
