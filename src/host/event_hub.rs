//! Event batches out of invocations, in every form that the host sends.
//!
//! The form follows from the trigger's `cardinality` and `dataType`. Our folders say `many` and
//! `binary`, the only lossless pair; the others arrive when somebody edits them, or calls the admin
//! endpoint, and must not be a reason to lose an event.

use jiff::Timestamp;
use serde_json::Value;

use super::event_body::EventBody;
use super::overwritten::{is_one_event, may_be_of_the_body};
use super::{BadInvocation, EventBatch, EventRecord, Invocation, nested};
use crate::model::Object;

impl TryFrom<Invocation> for EventBatch {
    type Error = BadInvocation;

    fn try_from(mut invocation: Invocation) -> Result<Self, BadInvocation> {
        let trigger = invocation.take_trigger()?;
        let retry_count = invocation.retry_count();
        let is_one = is_one_event(&trigger);
        let bodies = bodies(trigger);
        let mut metadata = invocation.metadata;
        if is_one && bodies.iter().any(|body| may_be_of_the_body(&body.0)) {
            metadata = Object::new();
        }
        let partition = partition_context(&mut metadata);
        Ok(Self {
            event_hub: nested::text(&partition, "EventHubName"),
            partition: nested::text(&partition, "PartitionId"),
            consumer_group: nested::text(&partition, "ConsumerGroup"),
            records: records(bodies, metadata),
            retry_count,
        })
    }
}

/// Two keys hold the same object (read in the extension's source).
fn partition_context(metadata: &mut Object) -> Object {
    let first = nested::take_object(metadata, "PartitionContext");
    if first.is_empty() { nested::take_object(metadata, "TriggerPartitionContext") } else { first }
}

fn bodies(trigger: Value) -> Vec<EventBody> {
    match trigger {
        Value::String(text) => nested_bodies(&text),
        Value::Array(elements) => elements.into_iter().map(EventBody::of).collect(),
        value => vec![EventBody::of(value)],
    }
}

fn nested_bodies(text: &str) -> Vec<EventBody> {
    // Element by element: a batch may be large, and must not be in memory once more as values.
    if let Ok(bodies) = serde_json::from_str(text) {
        return bodies;
    }
    match serde_json::from_str(text) {
        Ok(Value::String(inner)) => vec![EventBody::of_text(&inner)],
        // Base64 of one event, which may look like a JSON number or word, or text as it is.
        _ => vec![EventBody::of_text(text)],
    }
}

/// Metadata arrays are parallel to the bodies; one that is missing or short leaves gaps.
fn records(bodies: Vec<EventBody>, mut metadata: Object) -> Vec<EventRecord> {
    let mut take = |key| nested::take_array(&mut metadata, key).into_iter();
    let mut properties = take("PropertiesArray");
    let mut system = take("SystemPropertiesArray");
    let mut sequence_numbers = take("SequenceNumberArray");
    let mut enqueued = take("EnqueuedTimeUtcArray");
    let mut alone = if bodies.len() == 1 { Alone::take(&mut metadata) } else { Alone::default() };
    bodies
        .into_iter()
        .map(|EventBody(body)| {
            let alone = std::mem::take(&mut alone);
            let system = properties_or(system.next(), alone.system);
            EventRecord {
                body,
                properties: properties_or(properties.next(), alone.properties),
                sequence_number: number(sequence_numbers.next().as_ref())
                    .or_else(|| number(system.get("SequenceNumber")))
                    .or_else(|| number(system.get("x-opt-sequence-number")))
                    .or_else(|| number(alone.sequence_number.as_ref())),
                enqueued: time(enqueued.next().as_ref())
                    .or_else(|| time(system.get("EnqueuedTimeUtc")))
                    .or_else(|| time(alone.enqueued.as_ref())),
                system,
            }
        })
        .collect()
}

/// Metadata of a single event, in singular keys: cardinality one, and the admin endpoint.
#[derive(Default)]
struct Alone {
    properties: Object,
    system: Object,
    sequence_number: Option<Value>,
    enqueued: Option<Value>,
}

impl Alone {
    fn take(metadata: &mut Object) -> Self {
        Self {
            properties: not_overwritten(nested::take_object(metadata, "Properties")),
            system: nested::take_object(metadata, "SystemProperties"),
            sequence_number: metadata.remove("SequenceNumber"),
            enqueued: metadata.remove("EnqueuedTimeUtc"),
        }
    }
}

/// With cardinality one and text bodies the host copies the body's own members over the metadata
/// (read in its source), so that `Properties` may be a member of the body. Application properties
/// are scalars: an object among them says that they are not the event's.
fn not_overwritten(properties: Object) -> Object {
    if properties.values().any(Value::is_object) { Object::new() } else { properties }
}

fn properties_or(element: Option<Value>, alone: Object) -> Object {
    match element.map(nested::unwrapped) {
        Some(Value::Object(members)) => members,
        _ => alone,
    }
}

/// A sequence number; the admin endpoint's placeholder (the smallest number) is none.
fn number(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    .filter(|number| *number >= 0)
}

/// UTC, with or without saying so; the placeholder for no time (year 1) is none.
fn time(value: Option<&Value>) -> Option<Timestamp> {
    let text = value?.as_str()?;
    let time: Timestamp = text.parse().or_else(|_| format!("{text}Z").parse()).ok()?;
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

#[cfg(test)]
mod observed;
#[cfg(test)]
mod tests;
