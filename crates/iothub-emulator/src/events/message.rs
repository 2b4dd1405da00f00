//! Events in the words of Event Grid and of message routing.

use serde_json::{Map, Value, json};

use super::{ConnectionChanged, Event, Lifecycle, TwinChanged, Wording};
use crate::stamp::Stamp;
use crate::store::Id;

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn resource(hub: &str) -> String {
    format!(
        "/SUBSCRIPTIONS/00000000-0000-0000-0000-000000000000/RESOURCEGROUPS/EMULATOR/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/{}",
        hub.to_uppercase()
    )
}

/// `Microsoft.Devices.DeviceCreated` or `DeviceDeleted`. The twin inside is a default skeleton with the text `"null"`
/// as `deviceEtag` (documented: not to be relied on).
pub(super) fn grid(event: &Lifecycle<'_>, wording: Wording) -> Event {
    let kind = if event.created { "DeviceCreated" } else { "DeviceDeleted" };
    let data = json!({
        "hubName": wording.grid_hub_name.write(event.hub),
        "deviceId": event.id.device,
        "twin": skeleton(event),
    });
    let told = Told { hub: event.hub, id: event.id, kind, at: event.at, subscription: "DEVICEREGISTRATION" };
    told.event(&data, wording)
}

/// `Microsoft.Devices.DeviceConnected` or `DeviceDisconnected`; of modules too (documented).
pub(super) fn grid_connection(event: &ConnectionChanged<'_>, sequence: &str, wording: Wording) -> Event {
    let kind = if event.connected { "DeviceConnected" } else { "DeviceDisconnected" };
    let mut data = object(json!({
        "deviceConnectionStateEventInfo": {"sequenceNumber": sequence},
        "hubName": wording.grid_hub_name.write(event.hub),
        "deviceId": event.id.device,
    }));
    if let Some(module) = &event.id.module {
        data.insert("moduleId".to_owned(), module.as_str().into());
    }
    let told = Told { hub: event.hub, id: event.id, kind, at: event.at, subscription: "DEVICECONNECTION" };
    told.event(&Value::Object(data), wording)
}

/// What Event Grid tells.
struct Told<'a> {
    hub: &'a str,
    id: &'a Id,
    kind: &'a str,
    at: Stamp,
    subscription: &'a str,
}

impl Told<'_> {
    /// The event in the schema of the subscription, with the properties of a delivery to an event hub (documented).
    fn event(&self, data: &Value, wording: Wording) -> Event {
        let subject = format!("devices/{}", self.id.device);
        let (kind, resource) = (format!("Microsoft.Devices.{}", self.kind), resource(self.hub));
        let (id, at) = (uuid::Uuid::new_v4().to_string(), self.at.to_string());
        let (body, content_type) = match wording.cloud_events {
            false => {
                let event = json!({
                    "id": id, "topic": resource, "subject": subject, "eventType": kind, "eventTime": at,
                    "dataVersion": "1", "metadataVersion": "1", "data": data,
                });
                (json!([event]), "application/json; charset=utf-8")
            }
            true => {
                let event = json!({
                    "id": id, "source": resource, "specversion": "1.0", "type": kind, "subject": subject,
                    "time": at, "data": data,
                });
                (event, "application/cloudevents+json; charset=utf-8")
            }
        };
        let properties = json!({
            "aeg-event-type": "Notification", "aeg-subscription-name": self.subscription, "aeg-delivery-count": "0",
            "aeg-data-version": "1", "aeg-metadata-version": "1", "aeg-output-event-id": id,
        });
        let system = json!({"content-type": content_type, "message-id": id});
        Event::new(body.to_string().as_bytes(), &object(properties), &object(system))
    }
}

/// A hexadecimal number that grows from one connection event to the next (documented: larger is later, as texts too).
/// Its parts follow a documented sample: a time in ticks since 1601, and a count.
pub(super) fn connection_sequence() -> String {
    /// Between the years 1 and 1601, in ticks of 100 ns.
    const FILE_TIME_EPOCH: i64 = 504_911_232_000_000_000;
    let ticks = Stamp::unique_now().dotnet_ticks() - FILE_TIME_EPOCH;
    format!("{:016X}{ticks:016X}{:08X}{:024X}", 0, 2, 1)
}

fn skeleton(event: &Lifecycle<'_>) -> Value {
    let since = event.at.to_string();
    let never = "0001-01-01T00:00:00";
    let empty = json!({"$metadata": {"$lastUpdated": since}, "$version": 1});
    json!({
        "deviceId": event.id.device, "etag": "AAAAAAAAAAE=", "deviceEtag": "null", "status": "enabled",
        "statusUpdateTime": never, "connectionState": "Disconnected", "lastActivityTime": never,
        "cloudToDeviceMessageCount": 0, "authenticationType": "sas",
        "x509Thumbprint": {"primaryThumbprint": null, "secondaryThumbprint": null}, "version": 2,
        "properties": {"desired": empty, "reported": empty},
    })
}

/// A routed `deviceLifecycleNotification`.
pub(super) fn lifecycle(event: &Lifecycle<'_>, wording: Wording) -> Event {
    let operation = if event.created { "createDeviceIdentity" } else { "deleteDeviceIdentity" };
    let mut body = Map::new();
    for name in ["deviceId", "moduleId", "etag", "version", "deviceScope", "properties"] {
        if let Some(value) = event.twin.get(name).filter(|value| !value.is_null()) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    let routed = Routed { hub: &wording.routed_hub_name.write(event.hub), id: event.id, at: event.at };
    routed.message(&Value::Object(body), "deviceLifecycleNotification", operation, "deviceLifecycleEvents")
}

/// A routed `twinChangeNotification`.
pub(super) fn twin_changed(event: &TwinChanged<'_>, wording: Wording) -> Event {
    let operation = if event.replaced { "replaceTwin" } else { "updateTwin" };
    let routed = Routed { hub: &wording.routed_hub_name.write(event.hub), id: event.id, at: event.at };
    routed.message(event.body, "twinChangeNotification", operation, "twinChangeEvents")
}

/// A routed `deviceConnectionStateNotification`.
pub(super) fn connection(event: &ConnectionChanged<'_>, sequence: &str, wording: Wording) -> Event {
    let operation = if event.connected { "deviceConnected" } else { "deviceDisconnected" };
    let routed = Routed { hub: &wording.routed_hub_name.write(event.hub), id: event.id, at: event.at };
    let body = json!({ "sequenceNumber": sequence });
    routed.message(&body, "deviceConnectionStateNotification", operation, "deviceConnectionStateEvents")
}

struct Routed<'a> {
    hub: &'a str,
    id: &'a Id,
    at: Stamp,
}

impl Routed<'_> {
    fn message(&self, body: &Value, schema: &str, operation: &str, source: &str) -> Event {
        // The service writes the offset, not `Z` (documented).
        let at = self.at.to_string().replace('Z', "+00:00");
        let mut properties = object(json!({
            "hubName": self.hub, "deviceId": self.id.device, "operationTimestamp": at,
            "iothub-message-schema": schema, "opType": operation,
        }));
        let mut system = object(json!({
            "user-id": self.hub, "correlation-id": uuid::Uuid::new_v4().simple().to_string(),
            "content-type": "application/json", "content-encoding": "utf-8",
            "iothub-connection-device-id": self.id.device, "iothub-enqueuedtime": format!("{:.3}", Stamp::now().timestamp()),
            "iothub-message-source": source,
        }));
        if let Some(module) = &self.id.module {
            properties.insert("moduleId".to_owned(), module.as_str().into());
            system.insert("iothub-connection-module-id".to_owned(), module.as_str().into());
        }
        // The hub routes by device id, and says so as the partition key (inferred from the built-in endpoint).
        Event::keyed(body.to_string().as_bytes(), &properties, &system, &self.id.device)
    }
}
