"""Who is let in."""

import base64
import threading
import time

from azure.iot.device import IoTHubDeviceClient
from azure.iot.device.exceptions import CredentialError

from contract import WORLD, fact, unique
from devices import OPTIONS, WithDevices, connection_string
from hub import HUB, KEY, OTHER_KEY

AREA = "device connections"
REFUSED = "is refused with CONNACK 5"


class Connect(WithDevices):
    def twin(self, client):
        client.connect()
        return client.get_twin()

    def assert_not_let_in(self, text):
        with self.assertRaises(CredentialError):
            self.client(text).connect()

    @fact(area=AREA, call="connect() with either device key", service="lets the device in", source="LAB; DOC sas")
    def test_device_keys(self):
        device = self.device()
        for key in (KEY, OTHER_KEY):
            client = self.client(connection_string(device, key))
            self.assertEqual(self.twin(client)["reported"]["$version"], 1)
            client.disconnect()

    @fact(
        area=AREA,
        call="connect() with a module key",
        service="lets the module in, to its own twin",
        source="LAB; PYDEV",
    )
    def test_module_key(self):
        device = self.device()
        self.hub.create_module_with_sas(device, "camera", "", KEY, OTHER_KEY)
        client = self.module_client(f"{connection_string(device)};ModuleId=camera")
        client.connect()
        client.patch_twin_reported_properties({"lens": 50})
        self.assertEqual(self.hub.get_module_twin(device, "camera").properties.reported["lens"], 50)

    @fact(
        area=AREA,
        call="connect() with a hub policy's key",
        service="is refused: the token does not name the policy",
        source="LAB; PYDEV",
        difference="The Python device client drops `SharedAccessKeyName`: a hub policy's key cannot act as a device.",
    )
    def test_policy_key(self):
        self.assert_not_let_in(f"{HUB['connectionString']};DeviceId={self.device()}")

    @fact(area=AREA, call="connect() with an odd id", service="takes the client id as it is", source="LAB")
    def test_odd_id(self):
        device = self.device("a%41(),@$!*_:.'")
        self.assertEqual(self.twin(self.client(connection_string(device)))["desired"]["$version"], 1)

    @fact(area=AREA, call="connect() with a wrong key", service=REFUSED, source="PYDEV mqtt_transport.py")
    def test_wrong_key(self):
        self.assert_not_let_in(connection_string(self.device(), base64.b64encode(b"7" * 32).decode()))

    @fact(area=AREA, call="connect() of nothing", service=REFUSED, source="PYDEV mqtt_transport.py")
    def test_nothing(self):
        self.assert_not_let_in(connection_string(unique("none")))

    @fact(
        area=AREA,
        call="create_from_sastoken(expired)",
        service="never leaves the client",
        source="PYDEV abstract_clients.py",
        difference="The Python device client refuses an expired token itself, before it connects.",
    )
    def test_expired_token(self):
        token = f"SharedAccessSignature sr={HUB['hostName']}%2Fdevices%2F{self.device()}&sig=AA%3D%3D&se={int(time.time()) - 3600}"
        with self.assertRaises(ValueError):
            IoTHubDeviceClient.create_from_sastoken(token, **OPTIONS)

    @fact(area=AREA, call="connect() with a token for another hub", service=REFUSED, source="DOC sas")
    def test_other_hub(self):
        device = self.device()
        other = next(hub for hub in WORLD["hubs"].values() if hub["hostName"] != HUB["hostName"])
        self.assert_not_let_in(f"HostName={other['hostName']};DeviceId={device};SharedAccessKey={KEY}")

    @fact(area=AREA, call="connect() of a disabled device", service=REFUSED, source="DOC identity-registry")
    def test_disabled(self):
        self.assert_not_let_in(connection_string(self.device(status="disabled")))

    @fact(
        area=AREA,
        call="connect() a second time",
        service="closes the first connection",
        source="DOC troubleshoot; DOC iot-mqtt-connect",
    )
    def test_takeover(self):
        lost = threading.Event()
        with self.connected() as (first, device):
            first.on_connection_state_change = lambda: first.connected or lost.set()
            with self.connected(device) as (second, _):
                self.assertTrue(lost.wait(30))
                self.assertEqual(second.get_twin()["desired"]["$version"], 1)
