//! What the hubs' events say: which identity may have changed, and what the event carries of it.
//!
//! Two families arrive at the same event hubs: Event Grid events (`event_grid`) and messages that the
//! hub routed itself (`routed`). The properties decide which one it is, then the form of the body;
//! a reader must accept both on either event hub.

mod event_grid;
mod properties;
mod routed;

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use self::properties::Properties;
use crate::model::{IdentityId, Object, TwinWrites};

/// What happened, as far as an event can be trusted.
#[derive(Debug, Clone, PartialEq)]
pub enum HintKind {
    /// Created.
    Created,
    /// Deleted.
    Deleted,
    /// Twin changed.
    Twin {
        /// The whole of tags and desired properties was replaced.
        replaced: bool,
    },
}

/// One identity that may have changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// Which.
    pub identity: IdentityId,
    /// The hub's name as the event says it (any case, short or full).
    pub hub: Option<String>,
    /// What.
    pub kind: HintKind,
    /// Whether it stands in order with the other events of its identity: what a hub routes does, what
    /// Event Grid delivers does not (documented).
    pub ordered: bool,
    /// `operationTimestamp`, or the event's own time.
    pub occurred: Option<Timestamp>,
    /// What the event carries of the twin (empty for lifecycle events).
    pub writes: TwinWrites,
    /// Top-level twin `version` after the change.
    pub version: Option<u64>,
    /// `properties.reported.$version` after the change.
    pub reported_version: Option<u64>,
}

/// Why an event cannot be understood: becomes the dead letter's reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotANotification(pub String);

impl fmt::Display for NotANotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotANotification {}

/// Hints in one event body (Event Grid arrays may hold several); errors apart, one per element. `None` is for an event
/// that is understood and changes no identity: a connection state, telemetry and the like.
///
/// `properties` are the application properties, `system` the system properties. There is always at
/// least one result, so that no event is lost without a word.
pub fn parse(
    body: &[u8],
    properties: &Object,
    system: &Object,
) -> Vec<Result<Option<Hint>, NotANotification>> {
    let properties = Properties { application: properties, system };
    if let Some(label) = routed::label(&properties) {
        return vec![routed::labelled(label, &properties, body)];
    }
    match json(body) {
        Err(reason) => vec![Err(reason)],
        Ok(Value::Array(events)) if events.is_empty() => vec![Err(not("an empty array"))],
        Ok(Value::Array(events)) => events.into_iter().map(|event| element(event, &properties)).collect(),
        Ok(event) => vec![element(event, &properties)],
    }
}

fn element(event: Value, properties: &Properties<'_>) -> Result<Option<Hint>, NotANotification> {
    match event {
        Value::Object(members) if event_grid::is_event(&members) => event_grid::hint(&members),
        Value::Object(members) => routed::unlabelled(&members, properties).map(Some),
        _ => Err(not("neither an event nor an array of events")),
    }
}

fn json(body: &[u8]) -> Result<Value, NotANotification> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(not("an empty body"));
    }
    serde_json::from_slice(body).map_err(|error| {
        NotANotification(format!("not JSON, line {} column {}", error.line(), error.column()))
    })
}

fn not(reason: &str) -> NotANotification {
    NotANotification(reason.to_owned())
}

/// The identity of these texts. An empty module id is none.
fn identity(device: &str, module: Option<&str>) -> Result<IdentityId, NotANotification> {
    let invalid = |what, error| NotANotification(format!("{what}: {error}"));
    let device = device.parse().map_err(|error| invalid("device id", error))?;
    Ok(match module.filter(|module| !module.is_empty()) {
        None => IdentityId::device(device),
        Some(module) => {
            IdentityId::module(device, module.parse().map_err(|error| invalid("module id", error))?)
        }
    })
}

/// `Z`, an offset, or none, which is UTC; any number of fraction digits.
fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

/// `version` and `properties.reported.$version` of a twin or of a part of one.
fn versions(twin: &Object) -> [Option<u64>; 2] {
    let section = |name: &str| twin.get("properties")?.get(name)?.get("$version")?.as_u64();
    [twin.get("version").and_then(Value::as_u64), section("reported")]
}

#[cfg(test)]
mod tests;
