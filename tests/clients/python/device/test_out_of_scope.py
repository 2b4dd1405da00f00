"""What the emulator does not do, and says so."""

from contract import fact
from devices import WithDevices, connection_string

UNSEEN = "The device clients do not look at the SUBACK that refuses a subscription: the call succeeds, and nothing ever comes."


class OutOfScope(WithDevices):
    @fact(
        area="file upload",
        call="get_storage_info_for_blob()",
        service="is refused with 501",
        source="out of scope",
        refused=True,
    )
    def test_upload(self):
        client = self.client(connection_string(self.device()))
        with self.assertRaises(Exception) as raised:
            client.get_storage_info_for_blob("photo.jpg")
        self.assertIn("501", str(raised.exception.__cause__))

    @fact(
        area="direct methods",
        call="on_method_request_received",
        service="is refused in the SUBACK",
        source="out of scope",
        refused=True,
        difference=UNSEEN,
    )
    def test_methods(self):
        with self.connected() as (client, _):
            client.on_method_request_received = self.fail
            self.assertEqual(client.get_twin()["desired"]["$version"], 1)

    @fact(
        area="cloud-to-device messages",
        call="on_message_received",
        service="is refused in the SUBACK",
        source="out of scope",
        refused=True,
        difference=UNSEEN,
    )
    def test_messages(self):
        with self.connected() as (client, _):
            client.on_message_received = self.fail
            self.assertEqual(client.get_twin()["desired"]["$version"], 1)
