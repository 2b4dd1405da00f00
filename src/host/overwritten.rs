//! A call with one event, in the form of a text: the host copies the body's own members over what it says of the event
//! (read in its source). So whoever writes the body may write the event's system properties.

use serde_json::Value;

use crate::model::Object;

/// What says whose event it is and where it stood, and is no member of any body that a hub makes.
const METADATA: [&str; 7] = [
    "SystemProperties",
    "SystemPropertiesArray",
    "PropertiesArray",
    "SequenceNumberArray",
    "EnqueuedTimeUtcArray",
    "PartitionContext",
    "TriggerPartitionContext",
];

/// Whether a trigger's value is one event and no array of them.
pub(super) fn is_one_event(trigger: &Value) -> bool {
    match trigger {
        Value::Array(_) => false,
        Value::String(text) => !text.trim_start().starts_with('['),
        _ => true,
    }
}

/// Whether the metadata of one event may be members of its body.
pub(super) fn may_be_of_the_body(body: &[u8]) -> bool {
    let members: Object = serde_json::from_slice(body).unwrap_or_default();
    members.keys().any(|name| METADATA.iter().any(|metadata| metadata.eq_ignore_ascii_case(name)))
}
