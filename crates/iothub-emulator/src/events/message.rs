//! Events in the words of Event Grid and of message routing.

use serde_json::{Map, Value, json};

use super::{Event, Lifecycle, TwinChanged, Wording};
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
    let device = &event.id.device;
    let subject = format!("devices/{device}");
    let data = json!({
        "hubName": wording.grid_hub_name.write(event.hub),
        "deviceId": device,
        "twin": skeleton(event),
    });
    let id = uuid::Uuid::new_v4().to_string();
    let at = event.at.to_string();
    let (body, content_type) = match wording.cloud_events {
        false => {
            let event = json!({
                "id": id, "topic": resource(event.hub), "subject": subject, "eventType": format!("Microsoft.Devices.{kind}"),
                "eventTime": at, "dataVersion": "1", "metadataVersion": "1", "data": data,
            });
            (json!([event]), "application/json; charset=utf-8")
        }
        true => {
            let event = json!({
                "id": id, "source": resource(event.hub), "specversion": "1.0", "type": format!("Microsoft.Devices.{kind}"),
                "subject": subject, "time": at, "data": data,
            });
            (event, "application/cloudevents+json; charset=utf-8")
        }
    };
    let properties = json!({
        "aeg-event-type": "Notification", "aeg-subscription-name": "DEVICEREGISTRATION", "aeg-delivery-count": "0",
        "aeg-data-version": "1", "aeg-metadata-version": "1", "aeg-output-event-id": id,
    });
    let system = json!({"content-type": content_type, "message-id": id});
    Event::new(body.to_string().as_bytes(), &object(properties), &object(system))
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
