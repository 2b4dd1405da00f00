"""Two hubs on one address."""

from azure.iot.device.exceptions import CredentialError
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from contract import WORLD, fact, unique
from devices import WithDevices

AREA = "two hubs on one address"
HUBS = [WORLD["hubs"][name] for name in ("northwind", "adventure")]


class Together(WithDevices):
    def on_both(self):
        """One device id on both hubs, with keys of its own on each: the connection strings."""
        device = unique("together")
        for hub in HUBS:
            registry = IoTHubRegistryManager.from_connection_string(hub["connectionString"])
            key = registry.create_device_with_sas(device, "", "", "enabled").authentication.symmetric_key.primary_key
            registry.update_twin(device, Twin(properties=TwinProperties(desired={"hub": hub["hostName"]})))
            yield f"HostName={hub['hostName']};DeviceId={device};SharedAccessKey={key}"

    @fact(
        area=AREA,
        call="connect() to either",
        service="reaches the hub that the user name says",
        source="LAB (SNI and MQTT user name)",
    )
    def test_either(self):
        for hub, text in zip(HUBS, self.on_both(), strict=True):
            client = self.client(text)
            client.connect()
            self.assertEqual(client.get_twin()["desired"]["hub"], hub["hostName"])

    @fact(area=AREA, call="connect() with the key of the other", service="is refused with CONNACK 5", source="DOC sas")
    def test_other_key(self):
        _, there = self.on_both()
        client = self.client(there.replace(HUBS[1]["hostName"], HUBS[0]["hostName"]))
        with self.assertRaises(CredentialError):
            client.connect()
