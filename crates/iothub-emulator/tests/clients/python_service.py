"""The official Python service client (azure-iot-hub 2.7.0, and six) against a running emulator.

Environment: IOTHUB_CONNECTION_STRING, and REQUESTS_CA_BUNDLE with the emulator's ca.pem.
Exits 0 when everything holds, else 1 with the first thing that does not.
"""

import os
import sys
import uuid

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import ExportImportDevice, QuerySpecification, Twin, TwinProperties
from msrest.exceptions import HttpOperationError


def expect(what, got, wanted):
    if got != wanted:
        print(f"{what}: got {got!r}, wanted {wanted!r}")
        sys.exit(1)
    print(f"ok {what}")


def status_of(action):
    try:
        action()
        return 200
    except HttpOperationError as error:
        return error.response.status_code


def identities(hub, device):
    created = hub.create_device_with_sas(device, "", "", "enabled")
    keys = created.authentication.symmetric_key
    expect("empty keys are minted", len(keys.primary_key), 44)
    expect("creating twice is refused", status_of(
        lambda: hub.create_device_with_sas(device, keys.primary_key, keys.secondary_key, "enabled")), 409)
    read = hub.get_device(device)
    expect("keys are read back", read.authentication.symmetric_key.primary_key, keys.primary_key)
    updated = hub.update_device_with_sas(device, read.etag, keys.primary_key, keys.secondary_key, "disabled")
    expect("an update changes the status", updated.status, "disabled")
    expect("an update with a stale etag is refused", status_of(
        lambda: hub.update_device_with_sas(device, read.etag, keys.primary_key, keys.secondary_key, "enabled")), 412)
    hub.update_device_with_sas(device, updated.etag, keys.primary_key, keys.secondary_key, "enabled")


def twins(hub, device):
    first = hub.get_twin(device)
    patch = Twin(tags={"site": "A"}, properties=TwinProperties(desired={"rate": 5}))
    second = hub.update_twin(device, patch, first.etag)
    expect("desired moves by one", second.properties.desired["$version"], 2)
    expect("the twin's version moves by one", second.version, first.version + 1)
    expect("a stale twin etag is refused", status_of(lambda: hub.update_twin(device, patch, first.etag)), 412)
    third = hub.replace_twin(device, Twin(properties=TwinProperties(desired={"mode": "eco"})), second.etag)
    expect("a replaced twin forgets the rest", ("rate" in third.properties.desired, third.tags), (False, None))


def modules(hub, device):
    hub.create_module_with_sas(device, "camera", "", "", "")
    expect("modules are listed", [module.module_id for module in hub.get_modules(device)], ["camera"])
    twin = hub.update_module_twin(device, "camera", Twin(tags={"lens": 50}))
    expect("a module twin takes tags", twin.tags, {"lens": 50})
    hub.delete_module(device, "camera")
    expect("a deleted module is gone", status_of(lambda: hub.get_module(device, "camera")), 404)


def bulk(hub, prefix):
    names = [f"{prefix}{n}" for n in range(3)]
    items = [ExportImportDevice(id=name, import_mode="create", status="enabled") for name in names]
    expect("a bulk create succeeds", hub.bulk_create_or_update_devices(items).is_successful, True)
    again = hub.bulk_create_or_update_devices(items)
    expect("a second one names every failure", (again.is_successful, len(again.errors)), (False, 3))
    found = hub.query_iot_hub(QuerySpecification(query="SELECT * FROM devices WHERE tags.none = 'x'"))
    expect("a query without matches is empty", len(found.items), 0)
    page = hub.query_iot_hub(QuerySpecification(query="SELECT * FROM devices"), None, 2)
    expect("a page has the size asked for", len(page.items), 2)
    seen = [twin.device_id for twin in page.items]
    while page.continuation_token:
        page = hub.query_iot_hub(QuerySpecification(query="SELECT * FROM devices"), page.continuation_token, 2)
        seen += [twin.device_id for twin in page.items]
    expect("pages together hold every device once", set(names) <= set(seen) and len(seen) == len(set(seen)), True)
    for name in names:
        hub.delete_device(name)


def main():
    hub = IoTHubRegistryManager.from_connection_string(os.environ["IOTHUB_CONNECTION_STRING"])
    run = uuid.uuid4().hex[:8]
    for device in (f"py-{run}", f"py-{run}-a%41#?+'"):
        identities(hub, device)
        twins(hub, device)
        modules(hub, device)
        hub.delete_device(device)
        expect("a deleted device is gone", status_of(lambda: hub.get_device(device)), 404)
    bulk(hub, f"bulk-{run}-")
    counted = hub.get_device_registry_statistics()
    expect("statistics answer", counted.total_device_count >= 0, True)


if __name__ == "__main__":
    main()
