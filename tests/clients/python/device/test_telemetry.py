"""Messages from the device."""

from azure.iot.device import Message

from contract import fact
from devices import WithDevices, connection_string

AREA = "telemetry"


class Telemetry(WithDevices):
    @fact(area=AREA, call="send_message()", service="is acknowledged with PUBACK", source="DOC iot-mqtt-connect; LAB")
    def test_message(self):
        message = Message(
            '{"temperature":21.5}', message_id="one", content_type="application/json", content_encoding="utf-8"
        )
        message.custom_properties["alert"] = "a/b & c=d"
        with self.connected() as (client, _):
            client.send_message(message)

    @fact(area=AREA, call="send_message_to_output()", service="is taken from a module", source="PYDEV")
    def test_module_message(self):
        device = self.device()
        keys = self.hub.create_module_with_sas(device, "camera", "", "", "").authentication.symmetric_key
        text = f"{connection_string(device, keys.primary_key)};ModuleId=camera"
        client = self.module_client(text)
        client.connect()
        client.send_message_to_output("21.5", "temperature")
