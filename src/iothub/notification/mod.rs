//! What the hubs' events say: which identity may have changed, and what the event carries of it.
//!
//! Two families arrive at the same event hubs: Event Grid events (`event_grid`) and messages that the
//! hub routed itself (`routed`). The properties decide which one it is (`label`), then the form of the body;
//! a reader must accept both on either event hub. What comes out is a [`Hint`]; `members` and
//! `properties` are the readers that both share. Of the properties the hub's stamps come first: a device, and anyone
//! who may send, can write all others.

mod event_grid;
mod hint;
mod label;
mod members;
mod properties;
mod routed;

use serde_json::Value;

pub use self::hint::{Hint, HintKind, NotANotification};
use self::label::label;
use self::members::{json, not};
use self::properties::Properties;
use crate::model::Object;

/// Hints in one event body (Event Grid arrays may hold several); errors apart, one per element. `None` is for an event
/// that is understood and changes no identity: a connection state, telemetry and the like.
///
/// `properties` are the application properties, `system` the system properties. There is always at
/// least one result, so that no event is lost without a word. An event whose properties name its identity is a hint even
/// if its body cannot be understood: then there are both, the error and the hint.
pub fn parse(
    body: &[u8],
    properties: &Object,
    system: &Object,
) -> Vec<Result<Option<Hint>, NotANotification>> {
    let properties = Properties { application: properties, system };
    let label = label(&properties);
    let mut found = match label {
        Some(label) => vec![routed::labelled(label, &properties, body)],
        None => read(body, &properties),
    };
    if found.iter().any(Result::is_err) {
        found.extend(routed::without_body(label, &properties, body).map(|hint| Ok(Some(hint))));
    }
    found
}

/// A body of which no property says what it is.
fn read(body: &[u8], properties: &Properties<'_>) -> Vec<Result<Option<Hint>, NotANotification>> {
    match json(body) {
        Err(reason) => vec![Err(reason)],
        Ok(Value::Array(events)) if events.is_empty() => vec![Err(not("an empty array"))],
        Ok(Value::Array(events)) => events.into_iter().map(|event| element(event, properties)).collect(),
        Ok(event) => vec![element(event, properties)],
    }
}

fn element(event: Value, properties: &Properties<'_>) -> Result<Option<Hint>, NotANotification> {
    match event {
        Value::Object(members) if event_grid::is_event(&members) => event_grid::hint(&members),
        Value::Object(members) => routed::unlabelled(&members, properties).map(Some),
        _ => Err(not("neither an event nor an array of events")),
    }
}

#[cfg(test)]
mod stamps_tests;
#[cfg(test)]
mod tests;
