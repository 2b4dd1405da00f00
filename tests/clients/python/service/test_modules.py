"""Module identities."""

from contract import fact, unique
from hub import KEY, OTHER_KEY, THUMBPRINT, OnHub

AREA = "module identities"


class Modules(OnHub):
    def module(self):
        device = self.device("host")
        return device, self.hub.create_module_with_sas(device, "camera", "somebody", KEY, OTHER_KEY)

    @fact(area=AREA, call="create_module_with_sas()", service="keeps keys and owner", source="SWAGGER; REC")
    def test_create(self):
        _, module = self.module()
        self.assertEqual((module.managed_by, module.authentication.symmetric_key.primary_key), ("somebody", KEY))

    @fact(area=AREA, call="create_module_with_sas(empty keys)", service="mints them", source="TF; LAB")
    def test_minted_keys(self):
        module = self.hub.create_module_with_sas(self.device("host"), "camera", "", "", "")
        self.assertEqual(len(module.authentication.symmetric_key.primary_key), 44)

    @fact(area=AREA, call="create_module_with_x509()", service="keeps the thumbprints", source="SWAGGER")
    def test_thumbprints(self):
        device = self.device("host")
        self.hub.create_module_with_x509(device, "camera", "", THUMBPRINT, THUMBPRINT)
        self.assertEqual(
            self.hub.get_module(device, "camera").authentication.x509_thumbprint.primary_thumbprint, THUMBPRINT
        )

    @fact(area=AREA, call="create_module_with_certificate_authority()", service="stores the type", source="SWAGGER")
    def test_certificate_authority(self):
        module = self.hub.create_module_with_certificate_authority(self.device("host"), "camera", "")
        self.assertEqual(module.authentication.type, "certificateAuthority")

    @fact(
        area=AREA,
        call="create_module_with_sas() of what is there",
        service="answers 409 ModuleAlreadyExistsOnDevice",
        source="TF errors_test.go",
    )
    def test_create_twice(self):
        device, _ = self.module()
        call = self.hub.create_module_with_sas
        refused = self.assert_refused(409, "ModuleAlreadyExistsOnDevice", call, device, "camera", "", KEY, OTHER_KEY)
        self.assertEqual(refused.json()["errorCode"], 409301)

    @fact(
        area=AREA,
        call="get_module() on no device",
        service="answers 401, not 404, to a shared access signature",
        source="TF App.D",
    )
    def test_no_device(self):
        self.assert_refused(401, "IotHubUnauthorizedAccess", self.hub.get_module, unique("none"), "camera")

    @fact(area=AREA, call="get_modules()", service="lists the modules of one device", source="SWAGGER")
    def test_list(self):
        device, _ = self.module()
        self.hub.create_module_with_sas(device, "radio", "", "", "")
        self.assertEqual({module.module_id for module in self.hub.get_modules(device)}, {"camera", "radio"})

    @fact(
        area=AREA,
        call="update_module_with_sas(etag)",
        service="replaces the identity, and refuses a stale etag with 412",
        source="TF; REC",
    )
    def test_update(self):
        device, module = self.module()
        call = self.hub.update_module_with_sas
        updated = call(device, "camera", "other", module.etag, KEY, OTHER_KEY)
        self.assertEqual(updated.managed_by, "other")
        self.assert_refused(412, "PreconditionFailed", call, device, "camera", "third", module.etag, KEY, OTHER_KEY)

    @fact(
        area=AREA, call="delete_module(etag)", service="deletes, and refuses a stale etag with 412", source="TF §11.1"
    )
    def test_delete(self):
        device, module = self.module()
        self.hub.update_module_with_sas(device, "camera", "other", module.etag, KEY, OTHER_KEY)
        self.assert_refused(412, "PreconditionFailed", self.hub.delete_module, device, "camera", module.etag)
        self.hub.delete_module(device, "camera")
        self.assert_refused(404, "ModuleNotFound", self.hub.get_module, device, "camera")
