//! Messages that a hub routed itself: twin changes, lifecycle, connection states.
//!
//! The body of an `updateTwin` is the patch as it was sent, with metadata; it names no device
//! (documented). The ids come from the application properties, failing that from the system's.

use jiff::Timestamp;
use serde_json::Value;

use super::hint::{Hint, HintKind, NotANotification};
use super::members::{identity, json, not, timestamp, versions};
use super::properties::{Properties, object, text};
use crate::model::{IdentityId, Object, SectionWrites, TwinWrites};

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
    let at = time(properties);
    let (kind, writes) = match label {
        Label::Created => (HintKind::Created, TwinWrites::default()),
        Label::Deleted => (HintKind::Deleted, TwinWrites::default()),
        Label::ReplaceTwin => (HintKind::Twin { replaced: true }, replacement(&body, at)),
        // Only a replacement carries the twin's ETag.
        Label::SomeTwin if body.contains_key("etag") => {
            (HintKind::Twin { replaced: true }, replacement(&body, at))
        }
        Label::UpdateTwin | Label::SomeTwin => (HintKind::Twin { replaced: false }, patch(&body, at)),
        Label::SomeLifecycle | Label::Other => (HintKind::Twin { replaced: false }, TwinWrites::default()),
    };
    hint(kind, writes, &body, properties).map(Some)
}

/// A body without a word about what it is, as the host's admin trigger delivers it.
///
/// A body that names its device may be a lifecycle event's skeleton as well as a replacement: it is a
/// hint to look, and nothing of it is carried.
pub(crate) fn unlabelled(body: &Object, properties: &Properties<'_>) -> Result<Hint, NotANotification> {
    if !["version", "properties", "tags", "deviceId"].iter().any(|name| body.contains_key(*name)) {
        return Err(not("neither an Event Grid event nor a hub's message"));
    }
    let writes = match body.contains_key("deviceId") || body.contains_key("etag") {
        true => TwinWrites::default(),
        false => patch(body, time(properties)),
    };
    hint(HintKind::Twin { replaced: false }, writes, body, properties)
}

fn hint(
    kind: HintKind,
    writes: TwinWrites,
    body: &Object,
    properties: &Properties<'_>,
) -> Result<Hint, NotANotification> {
    let [version, reported_version] = versions(body);
    Ok(Hint {
        identity: who(body, properties)?,
        hub: properties.text("hubName").or_else(|| properties.text("user-id")).map(str::to_owned),
        kind,
        ordered: true,
        occurred: time(properties),
        writes,
        version,
        reported_version,
    })
}

fn time(properties: &Properties<'_>) -> Option<Timestamp> {
    let time = properties.text("operationTimestamp").or_else(|| properties.text("iothub-enqueuedtime"));
    time.and_then(timestamp)
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

/// Deeper than a twin can be (ten levels, documented), an event is only a hint to look.
const DEEPEST: usize = 32;

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Object(members) => levels == 0 || members.values().any(|value| is_deeper(value, levels - 1)),
        Value::Array(items) => levels == 0 || items.iter().any(|value| is_deeper(value, levels - 1)),
        _ => false,
    }
}

/// A part of a body that is an object, and not deeper than a twin can be.
fn part<'a>(body: &'a Object, name: &str) -> Option<&'a Object> {
    let members = object(body, name)?;
    (!members.values().any(|value| is_deeper(value, DEEPEST))).then_some(members)
}

fn patch(body: &Object, at: Option<Timestamp>) -> TwinWrites {
    let section = |members: Option<&Object>| {
        members.map(|members| SectionWrites::from_patch(members, at)).unwrap_or_default()
    };
    let properties = object(body, "properties");
    let of = |name| properties.and_then(|properties| part(properties, name));
    TwinWrites {
        tags: section(part(body, "tags")),
        desired: section(of("desired")),
        reported: section(of("reported")),
    }
}

/// A twin has no member `tags` when it has no tags; its properties are always there.
fn replacement(body: &Object, at: Option<Timestamp>) -> TwinWrites {
    let Some(properties) = object(body, "properties") else { return TwinWrites::default() };
    let section = |name| {
        part(properties, name).map(|members| SectionWrites::replacement(members, at)).unwrap_or_default()
    };
    let tags = match object(body, "tags") {
        None => SectionWrites::replacement(&Object::new(), at),
        Some(_) => part(body, "tags").map(|tags| SectionWrites::replacement(tags, at)).unwrap_or_default(),
    };
    TwinWrites { tags, desired: section("desired"), reported: section("reported") }
}
