"""The official Python service client (azure-iot-hub) makes, changes and deletes devices, and reads them back.

usage: service_sdk.py make|change|check|delete|gone CONNECTION_STRING
REQUESTS_CA_BUNDLE names the certificate authority to trust.
"""

import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties
from msrest.exceptions import HttpOperationError

KEY = "bm90LWEtc2VjcmV0LWp1c3QtYS10ZXN0LXZhbHVlLTAwMQ=="
THUMBPRINT = "A9993E364706816ABA3E25717850C26C9CD0D89D"


def make(hub):
    hub.create_device_with_sas("sdk-sas", KEY, KEY, "enabled")
    hub.create_device_with_x509("sdk-x509", THUMBPRINT, THUMBPRINT, "disabled")
    hub.create_module_with_sas("sdk-sas", "sdk-module", "somebody", KEY, KEY)


def change(hub):
    twin = hub.get_twin("sdk-sas")
    patch = Twin(tags={"site": "B"}, properties=TwinProperties(desired={"rate": 5, "deep": {"a": [1, 2]}}))
    hub.update_twin("sdk-sas", patch, twin.etag)
    hub.update_module_twin("sdk-sas", "sdk-module", Twin(tags={"part": 1}), hub.get_module_twin("sdk-sas", "sdk-module").etag)
    # A client that changes an identity and then touches the twin: the update itself has no event.
    device = hub.get_device("sdk-x509")
    hub.update_device_with_x509("sdk-x509", device.etag, THUMBPRINT, THUMBPRINT, "enabled")
    hub.update_twin("sdk-x509", Twin(tags={"seen": True}), hub.get_twin("sdk-x509").etag)


def check(hub):
    device = hub.get_device("sdk-sas")
    assert device.authentication.symmetric_key.primary_key == KEY, device
    twin = hub.get_twin("sdk-sas")
    assert twin.tags == {"site": "B"}, twin
    assert twin.properties.desired["rate"] == 5 and twin.properties.desired["deep"] == {"a": [1, 2]}, twin
    assert hub.get_module("sdk-sas", "sdk-module").authentication.symmetric_key.primary_key == KEY
    assert hub.get_module_twin("sdk-sas", "sdk-module").tags == {"part": 1}
    device = hub.get_device("sdk-x509")
    assert device.authentication.x509_thumbprint.primary_thumbprint == THUMBPRINT, device
    assert device.status == "enabled", device
    assert hub.get_twin("sdk-x509").tags == {"seen": True}


def delete(hub):
    hub.delete_device("sdk-sas")
    hub.delete_device("sdk-x509")


def gone(hub):
    for device in ("sdk-sas", "sdk-x509"):
        try:
            hub.get_device(device)
        except HttpOperationError as error:
            assert error.response.status_code == 404, error
        else:
            raise AssertionError(f"{device} is still there")


if __name__ == "__main__":
    {f.__name__: f for f in (make, change, check, delete, gone)}[sys.argv[1]](
        IoTHubRegistryManager.from_connection_string(sys.argv[2])
    )
    print("ok")
