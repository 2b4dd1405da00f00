"""Two hubs on one address."""

from azure.iot.hub import IoTHubRegistryManager

from contract import WORLD, fact, unique
from hub import OnHub

AREA = "two hubs on one address"
NORTHWIND, ADVENTURE = WORLD["hubs"]["northwind"], WORLD["hubs"]["adventure"]


class Together(OnHub):
    @fact(
        area=AREA,
        call="create_device_with_sas()",
        service="reaches the hub that the host name says",
        source="LAB (SNI and Host header)",
    )
    def test_apart(self):
        here, there = (
            IoTHubRegistryManager.from_connection_string(hub["connectionString"]) for hub in (NORTHWIND, ADVENTURE)
        )
        device = unique("together")
        here.create_device_with_sas(device, "", "", "enabled")
        self.assertEqual(here.get_device(device).device_id, device)
        self.assert_refused(404, "DeviceNotFound", there.get_device, device)

    @fact(area=AREA, call="get_devices() with the other hub's key", service="is refused with 401", source="DOC sas")
    def test_other_key(self):
        mixed = ADVENTURE["connectionString"].replace(ADVENTURE["hostName"], NORTHWIND["hostName"])
        mixed = IoTHubRegistryManager.from_connection_string(mixed)
        self.assert_refused(401, "IotHubUnauthorizedAccess", mixed.get_devices)
