"""The hub that a suite works on, through the official service client."""

import os
import unittest

from azure.iot.hub import IoTHubRegistryManager
from msrest.exceptions import HttpOperationError

from contract import WORLD, unique

HUB = WORLD["hubs"][os.environ["CONFORMANCE_HUB"]]
KEY = "bm90LWEtc2VjcmV0LWp1c3QtYS10ZXN0LXZhbHVlLTAwMQ=="
OTHER_KEY = "bm90LWEtc2VjcmV0LWp1c3QtYS10ZXN0LXZhbHVlLTAwMg=="
THUMBPRINT = "A9993E364706816ABA3E25717850C26C9CD0D89D"


class OnHub(unittest.TestCase):
    """Has the registry, and words for refusals."""

    @classmethod
    def setUpClass(cls):
        cls.hub = IoTHubRegistryManager.from_connection_string(HUB["connectionString"])

    def device(self, name="device", key=KEY, status="enabled"):
        """A device with a known key; its id."""
        device = unique(name)
        self.hub.create_device_with_sas(device, key, OTHER_KEY, status)
        return device

    def assert_refused(self, status, error_code, call, *arguments):
        """The call answers `status`, and its `iothub-errorcode` is `error_code`; the response."""
        with self.assertRaises(HttpOperationError) as raised:
            call(*arguments)
        response = raised.exception.response
        self.assertEqual(
            (response.status_code, response.headers.get("iothub-errorcode")), (status, error_code), response.text
        )
        return response
