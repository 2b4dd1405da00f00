"""The device client over the transport that the suite is about."""

import contextlib
import logging
import os

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient

from hub import HUB, KEY, OnHub

# It logs what it raises, too.
logging.getLogger("azure.iot.device").setLevel(logging.CRITICAL)

# Not retried: a refusal is seen at once, and a lost connection stays lost.
OPTIONS = {"websockets": bool(os.environ.get("WEBSOCKETS")), "connection_retry": False, "auto_connect": False}


def connection_string(device, key=KEY):
    return f"HostName={HUB['hostName']};DeviceId={device};SharedAccessKey={key}"


class WithDevices(OnHub):
    """Has clients, which are shut down whatever happens."""

    def client(self, text, kind=IoTHubDeviceClient):
        client = kind.create_from_connection_string(text, **OPTIONS)
        self.addCleanup(client.shutdown)
        return client

    def module_client(self, text):
        return self.client(text, IoTHubModuleClient)

    @contextlib.contextmanager
    def connected(self, device=None):
        """A connected client, and its device."""
        device = device or self.device()
        client = self.client(connection_string(device))
        client.connect()
        yield client, device
