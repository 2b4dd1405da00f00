//! Messages that a hub routed itself: twin changes, lifecycle, connection states.
//!
//! The body of an `updateTwin` is the patch as it was sent, with metadata; it names no device
//! (documented). The ids come from the application properties, failing that from the system's.

use serde_json::Value;

use super::properties::{Properties, object, text};
use super::{Hint, HintKind, NotANotification, identity, json, not, timestamp, versions};
use crate::model::{Change, IdentityId, Object, TwinChange};

/// What the properties say the message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Created,
    Deleted,
    UpdateTwin,
    ReplaceTwin,
    /// A twin change event that does not say which.
    SomeTwin,
    /// A lifecycle event that does not say which.
    SomeLifecycle,
    Other,
}

/// By `opType`, then by schema and source. `None` when no property says anything.
pub(crate) fn label(properties: &Properties<'_>) -> Option<Label> {
    let op_type = properties.text("opType").and_then(|name| match name.to_ascii_lowercase().as_str() {
        "updatetwin" => Some(Label::UpdateTwin),
        "replacetwin" => Some(Label::ReplaceTwin),
        "createdeviceidentity" | "createmoduleidentity" => Some(Label::Created),
        "deletedeviceidentity" | "deletemoduleidentity" => Some(Label::Deleted),
        _ => None,
    });
    let of = |name: &str| properties.text(name).map(str::to_ascii_lowercase);
    op_type
        .or_else(|| match of("iothub-message-schema")?.as_str() {
            "twinchangenotification" => Some(Label::SomeTwin),
            "devicelifecyclenotification" | "modulelifecyclenotification" => Some(Label::SomeLifecycle),
            _ => None,
        })
        .or_else(|| match of("iothub-message-source")?.as_str() {
            "twinchangeevents" => Some(Label::SomeTwin),
            "devicelifecycleevents" => Some(Label::SomeLifecycle),
            _ => Some(Label::Other),
        })
        .or_else(|| properties.text("opType").map(|_| Label::Other))
}

/// A message whose properties say what it is. Of one that changes nothing neither the body nor the ids are read.
pub(crate) fn labelled(
    label: Label,
    properties: &Properties<'_>,
    body: &[u8],
) -> Result<Option<Hint>, NotANotification> {
    if label == Label::Other {
        return Ok(None);
    }
    let Value::Object(body) = json(body)? else { return Err(not("the body is not a JSON object")) };
    let (kind, change) = match label {
        Label::Created => (HintKind::Created, TwinChange::default()),
        Label::Deleted => (HintKind::Deleted, TwinChange::default()),
        Label::ReplaceTwin => (HintKind::Twin { replaced: true }, replacement(&body)),
        // Only a replacement carries the twin's ETag.
        Label::SomeTwin if body.contains_key("etag") => {
            (HintKind::Twin { replaced: true }, replacement(&body))
        }
        Label::UpdateTwin | Label::SomeTwin => (HintKind::Twin { replaced: false }, patch(&body)),
        Label::SomeLifecycle | Label::Other => (HintKind::Twin { replaced: false }, TwinChange::default()),
    };
    hint(kind, change, &body, properties).map(Some)
}

/// A body without a word about what it is, as the host's admin trigger delivers it.
///
/// A body that names its device may be a lifecycle event's skeleton as well as a replacement: it is a
/// hint to look, and nothing of it is carried.
pub(crate) fn unlabelled(body: &Object, properties: &Properties<'_>) -> Result<Hint, NotANotification> {
    if !["version", "properties", "tags", "deviceId"].iter().any(|name| body.contains_key(*name)) {
        return Err(not("neither an Event Grid event nor a hub's message"));
    }
    let change = match body.contains_key("deviceId") || body.contains_key("etag") {
        true => TwinChange::default(),
        false => patch(body),
    };
    hint(HintKind::Twin { replaced: false }, change, body, properties)
}

fn hint(
    kind: HintKind,
    change: TwinChange,
    body: &Object,
    properties: &Properties<'_>,
) -> Result<Hint, NotANotification> {
    let [version, reported_version, desired_version] = versions(body);
    let time = properties.text("operationTimestamp").or_else(|| properties.text("iothub-enqueuedtime"));
    Ok(Hint {
        identity: who(body, properties)?,
        hub: properties.text("hubName").or_else(|| properties.text("user-id")).map(str::to_owned),
        kind,
        ordered: true,
        occurred: time.and_then(timestamp),
        change,
        version,
        reported_version,
        desired_version,
    })
}

fn who(body: &Object, properties: &Properties<'_>) -> Result<IdentityId, NotANotification> {
    let named = |application: &str, system: &str| {
        text(properties.application, application).or_else(|| text(properties.system, system))
    };
    let device = named("deviceId", "iothub-connection-device-id");
    let module = named("moduleId", "iothub-connection-module-id");
    let own = text(body, "deviceId");
    match (device, own) {
        (Some(device), Some(own)) if device != own => {
            Err(not("the properties and the body name two devices"))
        }
        (Some(device), _) => identity(device, module.or_else(|| text(body, "moduleId"))),
        (None, Some(own)) => identity(own, module.or_else(|| text(body, "moduleId"))),
        (None, None) => Err(not("nothing names the device")),
    }
}

fn patch(body: &Object) -> TwinChange {
    let properties = object(body, "properties");
    let section = |name| properties.and_then(|properties| object(properties, name)).map(Change::from_patch);
    TwinChange {
        tags: object(body, "tags").map(Change::from_patch),
        desired: section("desired"),
        reported: section("reported"),
    }
}

/// A twin has no member `tags` when it has no tags; its properties are always there.
fn replacement(body: &Object) -> TwinChange {
    let Some(properties) = object(body, "properties") else { return TwinChange::default() };
    let section = |name| object(properties, name).map(Change::replacement);
    let none = Object::new();
    TwinChange {
        tags: Some(Change::replacement(object(body, "tags").unwrap_or(&none))),
        desired: section("desired"),
        reported: section("reported"),
    }
}
