//! Event Grid events, in its own schema and as CloudEvents 1.0.
//!
//! They are hints only: delivered at least once and in no order, and the twin they carry is a
//! skeleton that must not be relied on (documented).

use super::hint::{Hint, HintKind, NotANotification};
use super::members::{identity, not, timestamp, versions};
use super::properties::{object, text};
use crate::model::{Object, TwinWrites, redacted};

/// Whether this looks like an event of Event Grid, in either schema.
pub(crate) fn is_event(members: &Object) -> bool {
    event_type(members).is_some()
        && (members.contains_key("data") || members.contains_key("specversion") || subject(members).is_some())
}

fn event_type(members: &Object) -> Option<&str> {
    text(members, "eventType").or_else(|| text(members, "type"))
}

/// `devices/{id}`.
fn subject(members: &Object) -> Option<&str> {
    text(members, "subject")?.strip_prefix("devices/")
}

pub(crate) fn hint(members: &Object) -> Result<Option<Hint>, NotANotification> {
    let nothing = Object::new();
    let data = object(members, "data").unwrap_or(&nothing);
    let Some(kind) = kind(event_type(members).unwrap_or_default())? else { return Ok(None) };
    let device = text(data, "deviceId").or_else(|| subject(members));
    let device = device.ok_or_else(|| not("an Event Grid event that names no device"))?;
    let twin = object(data, "twin").unwrap_or(&nothing);
    let [version, reported_version] = versions(twin);
    let time = text(data, "operationTimestamp").or_else(|| text(members, "eventTime"));
    Ok(Some(Hint {
        identity: identity(device, text(data, "moduleId"))?,
        hub: text(data, "hubName").map(str::to_owned).or_else(|| source_hub(members)),
        kind,
        ordered: false,
        occurred: time.or_else(|| text(members, "time")).and_then(timestamp),
        writes: TwinWrites::default(),
        version,
        reported_version,
    }))
}

/// The last segment of `…/providers/Microsoft.Devices/IotHubs/{hub}`. A key there would be cut where it has a slash, and
/// its rest be known no more.
fn source_hub(members: &Object) -> Option<String> {
    let resource = redacted(text(members, "topic").or_else(|| text(members, "source"))?);
    let name = resource.trim_end_matches('/').rsplit('/').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// `None` for what a hub or Event Grid itself tells and what changes no identity.
fn kind(event_type: &str) -> Result<Option<HintKind>, NotANotification> {
    let name = event_type.to_ascii_lowercase();
    match name.strip_prefix("microsoft.devices.") {
        Some("devicecreated") => Ok(Some(HintKind::Created)),
        Some("devicedeleted") => Ok(Some(HintKind::Deleted)),
        Some(_) => Ok(None),
        None if name.starts_with("microsoft.eventgrid.") => Ok(None),
        None => {
            let shown: String = redacted(event_type).chars().filter(|c| !c.is_control()).take(80).collect();
            Err(NotANotification(format!("an Event Grid event of the type {shown}")))
        }
    }
}
