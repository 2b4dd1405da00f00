//! Messages that a hub routed itself: twin changes, lifecycle, connection states.
//!
//! The body of an `updateTwin` is the patch as it was sent, with metadata; it names no device (documented). The ids come
//! from the hub's stamps, and only where there are none from the application properties and the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::hint::{Hint, HintKind, NotANotification};
use super::label::Label;
use super::members::{identity, json, not, timestamp, versions};
use super::properties::{Properties, Stamp, object, text};
use crate::iothub::unreadable;
use crate::model::{IdentityId, Object, SectionWrites, TwinWrites};

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
        Label::ReplaceTwin => (HintKind::Twin { replaced: true }, replacement(&body, at)),
        // Only a replacement carries the twin's ETag.
        Label::SomeTwin if body.contains_key("etag") => {
            (HintKind::Twin { replaced: true }, replacement(&body, at))
        }
        Label::UpdateTwin | Label::SomeTwin => (HintKind::Twin { replaced: false }, patch(&body, at)),
        label => (kind(Some(label)), TwinWrites::default()),
    };
    hint(kind, writes, &body, properties).map(Some)
}

/// What happened, as far as the properties alone say it.
fn kind(label: Option<Label>) -> HintKind {
    match label {
        Some(Label::Created) => HintKind::Created,
        Some(Label::Deleted) => HintKind::Deleted,
        Some(Label::SomeLifecycle) => HintKind::Lifecycle,
        _ => HintKind::Twin { replaced: false },
    }
}

/// A message whose body cannot be understood, when its properties name the identity: a hint to look. Of a twin change that
/// holds text that is none, all else is carried: tags show by themselves neither who wrote them nor when.
pub(crate) fn without_body(label: Option<Label>, properties: &Properties<'_>, body: &[u8]) -> Option<Hint> {
    let readable = match label {
        Some(Label::UpdateTwin | Label::ReplaceTwin | Label::SomeTwin) => readable(body),
        _ => Object::new(),
    };
    // What is not in it may be what cannot be read: a replacement takes nothing away.
    let mut writes = patch(&readable, time(properties));
    if label == Some(Label::ReplaceTwin) {
        writes.reported = SectionWrites::default();
    }
    let nothing = || hint(kind(label), TwinWrites::default(), &Object::new(), properties);
    hint(kind(label), writes, &readable, properties).or_else(|_| nothing()).ok()
}

/// The members of a body that can be read, if that is all that is wrong with it.
fn readable(body: &[u8]) -> Object {
    match unreadable::parse(body) {
        Ok((Value::Object(members), torn)) if !torn.is_empty() => members,
        _ => Object::new(),
    }
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
        hub: hub(properties).map(str::to_owned),
        kind,
        ordered: true,
        occurred: time(properties),
        writes,
        version,
        reported_version,
    })
}

/// When the hub did it, failing that when it sent the event.
fn time(properties: &Properties<'_>) -> Option<Timestamp> {
    let sent = || match properties.stamp("iothub-enqueuedtime") {
        Stamp::Text(time) => timestamp(time),
        _ => None,
    };
    properties.application("operationTimestamp").and_then(timestamp).or_else(sent)
}

/// The hub's name is the user id of its own messages (documented), which the Functions host does not give as a text
/// (observed), and may one day give as it gives bytes elsewhere: in base64.
fn hub<'a>(properties: &Properties<'a>) -> Option<&'a str> {
    let said = properties.application("hubName");
    match properties.stamp("user-id") {
        Stamp::Text(stamped) if said.is_none_or(|said| STANDARD.encode(said) != stamped) => Some(stamped),
        _ => said,
    }
}

fn who(body: &Object, properties: &Properties<'_>) -> Result<IdentityId, NotANotification> {
    let (device, module) = named(properties)?;
    let (own, own_module) = (text(body, "deviceId"), text(body, "moduleId"));
    match (device, own) {
        (Some(device), Some(own)) if device != own => {
            Err(not("the properties and the body name two devices"))
        }
        (Some(device), _) => identity(device, module.or(own_module)),
        (None, Some(own)) => identity(own, module.or(own_module)),
        (None, None) => Err(not("nothing names the device")),
    }
}

/// Device and module as the properties name them. Where the hub stamped a device, it stamped its module too (documented),
/// and the application properties are not read.
fn named<'a>(properties: &Properties<'a>) -> Result<(Option<&'a str>, Option<&'a str>), NotANotification> {
    let device = properties.stamp("iothub-connection-device-id");
    let module = properties.stamp("iothub-connection-module-id");
    match (device, module) {
        (Stamp::Text(device), Stamp::Text(module)) => Ok((Some(device), Some(module))),
        (Stamp::Text(device), Stamp::None) => Ok((Some(device), None)),
        (Stamp::None, Stamp::None) => {
            Ok((properties.application("deviceId"), properties.application("moduleId")))
        }
        _ => Err(not("the hub's stamp of device or module cannot be read")),
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
    let desired = properties.and_then(|properties| properties.get("desired"));
    let reported = properties.and_then(|properties| part(properties, "reported"));
    // `null` in the place of a section took all of it away (the Node client's end-to-end tests rely on it). What a device
    // reports says nothing of the others.
    let cleared = |value: Option<&Value>| reported.is_none() && value.is_some_and(Value::is_null);
    let nothing = || SectionWrites::replacement(&Object::new(), at);
    TwinWrites {
        tags: if cleared(body.get("tags")) { nothing() } else { section(part(body, "tags")) },
        desired: match cleared(desired) {
            true => nothing(),
            false => section(properties.and_then(|properties| part(properties, "desired"))),
        },
        reported: section(reported),
    }
}

/// A twin has no member `tags` when it has no tags; its properties are always there. Nobody but the device writes what it
/// reports: that a replacement shows that too, as it is, says nothing of who wrote it, nor when.
fn replacement(body: &Object, at: Option<Timestamp>) -> TwinWrites {
    let Some(properties) = object(body, "properties") else { return TwinWrites::default() };
    let desired = part(properties, "desired").map(|members| SectionWrites::replacement(members, at));
    let tags = match object(body, "tags") {
        None => SectionWrites::replacement(&Object::new(), at),
        Some(_) => part(body, "tags").map(|tags| SectionWrites::replacement(tags, at)).unwrap_or_default(),
    };
    TwinWrites { tags, desired: desired.unwrap_or_default(), reported: SectionWrites::default() }
}
