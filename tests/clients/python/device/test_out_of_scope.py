"""What the emulator does not do, and says so."""

from contract import fact
from devices import WithDevices, connection_string


class OutOfScope(WithDevices):
    @fact(area="file upload", call="get_storage_info_for_blob()", service="is refused with 501", source="out of scope", refused=True)
    def test_upload(self):
        client = self.client(connection_string(self.device()))
        with self.assertRaises(Exception) as raised:
            client.get_storage_info_for_blob("photo.jpg")
        self.assertIn("501", str(raised.exception.__cause__))
