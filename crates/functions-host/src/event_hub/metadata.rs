//! `Metadata` of an event hub trigger, as the Event Hubs extension fills it: `many` and calls by hand as observed of 6.5.1,
//! `one` as read in its source.

use super::Event;
use crate::app::EventHubTrigger;
use crate::dotnet;
use crate::json::Json;

/// A named metadata value in wire form.
pub(super) type Metadata = Vec<(String, Json)>;

/// The properties of an AMQP message as Event Hubs shows them; every other system property is an annotation.
const PROPERTIES: [&str; 13] = [
    "message-id",
    "user-id",
    "to",
    "subject",
    "reply-to",
    "correlation-id",
    "content-type",
    "content-encoding",
    "absolute-expiry-time",
    "creation-time",
    "group-id",
    "group-sequence",
    "reply-to-group-id",
];

/// What is written from the event itself, whatever the log says.
const ADDED: [&str; 8] = [
    "x-opt-sequence-number",
    "x-opt-offset",
    "x-opt-enqueued-time",
    "x-opt-partition-key",
    "SequenceNumber",
    "Offset",
    "PartitionKey",
    "EnqueuedTimeUtc",
];

/// A time, and therefore written anew.
const ENQUEUED_IN_HUB: &str = "iothub-enqueuedtime";

/// For `cardinality: many`: seven arrays parallel to the events.
pub(super) fn of_many(trigger: &EventHubTrigger, partition: &str, events: &[Event]) -> Metadata {
    let array = |name: &str, of: fn(&Event) -> Json| {
        (name.to_owned(), events.iter().map(of).collect::<Json>().on_the_wire())
    };
    let mut metadata = contexts(trigger, partition);
    metadata.extend([
        array("PartitionKeyArray", |event| event.partition_key.clone().into()),
        array("OffsetArray", |event| event.offset.clone().into()),
        array("SequenceNumberArray", |event| event.sequence_number.into()),
        array("EnqueuedTimeUtcArray", |event| dotnet::date_time(event.enqueued_time_utc).into()),
        array("PropertiesArray", properties),
        array("SystemPropertiesArray", system_properties),
    ]);
    metadata
}

/// For `cardinality: one`.
pub(super) fn of_one(trigger: &EventHubTrigger, partition: &str, event: &Event) -> Metadata {
    let mut metadata = contexts(trigger, partition);
    metadata.extend(of_event(event));
    metadata
}

fn of_event(event: &Event) -> Metadata {
    let member = |name: &str, value: Json| (name.to_owned(), value);
    let mut metadata = Metadata::new();
    if let Some(key) = &event.partition_key {
        metadata.push(member("PartitionKey", Json::from(key.as_str()).on_the_wire()));
    }
    metadata.extend([
        member("Offset", Json::from(event.offset.as_str()).on_the_wire()),
        member("SequenceNumber", Json::from(event.sequence_number).on_the_wire()),
        member("EnqueuedTimeUtc", dotnet::seconds(event.enqueued_time_utc).into()),
        member("Properties", properties(event)),
        member("SystemProperties", system_properties(event)),
    ]);
    metadata
}

/// For an event that came by `POST /admin/functions/…`: it was never in an event hub.
pub(super) fn of_admin_event() -> Metadata {
    let year_one = "0001-01-01T00:00:00";
    let system = Json::object([
        ("SequenceNumber", Json::from(i64::MIN)),
        ("Offset", Json::Null),
        ("PartitionKey", Json::Null),
        ("EnqueuedTimeUtc", Json::from(year_one)),
    ]);
    let members = [
        ("SequenceNumber", Json::from(i64::MIN).on_the_wire()),
        ("EnqueuedTimeUtc", Json::from(year_one)),
        ("Properties", Json::object([])),
        ("SystemProperties", system),
    ];
    members.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The same object under two names. The one that ends in "Context" only is not dropped by the "trigger" rule.
fn contexts(trigger: &EventHubTrigger, partition: &str) -> Metadata {
    let context = Json::object([
        ("IsCheckpointingAfterInvocation", Json::from(true)),
        ("FullyQualifiedNamespace", Json::from(trigger.namespace.as_str())),
        ("EventHubName", Json::from(trigger.event_hub.as_str())),
        ("ConsumerGroup", Json::from(trigger.consumer_group.as_str())),
        ("PartitionId", Json::from(partition)),
    ]);
    ["TriggerPartitionContext", "PartitionContext"].map(|name| (name.to_owned(), context.clone())).into()
}

fn properties(event: &Event) -> Json {
    Json::Object(event.properties.members().to_vec())
}

/// The properties of an AMQP message, its annotations, and four members of the extension's own.
fn system_properties(event: &Event) -> Json {
    let given = event.system_properties.members().iter().filter(|(name, _)| !ADDED.contains(&name.as_str()));
    let (mut members, annotations): (Metadata, Metadata) =
        given.map(system_property).partition(|(name, _)| PROPERTIES.contains(&name.as_str()));
    let time = dotnet::date_time(event.enqueued_time_utc);
    let mut add = |name: &str, value: Json| members.push((name.to_owned(), value));
    add("x-opt-sequence-number", event.sequence_number.into());
    add("x-opt-offset", event.offset.as_str().into());
    add("x-opt-enqueued-time", format!("{time}+00:00").into());
    if let Some(key) = &event.partition_key {
        add("x-opt-partition-key", key.as_str().into());
    }
    members.extend(annotations);
    let mut add = |name: &str, value: Json| members.push((name.to_owned(), value));
    add("SequenceNumber", event.sequence_number.into());
    add("Offset", event.offset.as_str().into());
    add("PartitionKey", event.partition_key.clone().into());
    add("EnqueuedTimeUtc", time.into());
    Json::Object(members)
}

/// `user-id` is bytes, and only their number survives the extension's serialiser.
fn system_property((name, value): &(String, Json)) -> (String, Json) {
    match value.as_text() {
        Some(text) if name == "user-id" => {
            let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
            (
                name.clone(),
                Json::object([("Length", Json::from(length)), ("IsEmpty", Json::from(text.is_empty()))]),
            )
        }
        Some(text) if name == ENQUEUED_IN_HUB => {
            (name.clone(), Json::from(dotnet::reparsed_date(text).unwrap_or_else(|| text.to_owned())))
        }
        _ => (name.clone(), value.clone()),
    }
}
