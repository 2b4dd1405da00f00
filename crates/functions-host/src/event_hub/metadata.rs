//! `Metadata` of an event hub trigger, as the Event Hubs extension fills it (read in its source).

use jiff::Timestamp;

use super::Event;
use crate::app::EventHubTrigger;
use crate::dotnet;
use crate::json::Json;

/// A named metadata value in wire form.
pub(super) type Metadata = Vec<(String, Json)>;

/// For `cardinality: many`: nine arrays parallel to the events.
pub(super) fn of_many(trigger: &EventHubTrigger, partition: &str, events: &[Event]) -> Metadata {
    let array = |name: &str, of: fn(&Event) -> Json| {
        (name.to_owned(), events.iter().map(of).collect::<Json>().on_the_wire())
    };
    let mut metadata = contexts(trigger, partition);
    metadata.extend([
        array("PartitionKeyArray", |event| event.partition_key.clone().into()),
        array("OffsetArray", |event| numeric_offset(event).into()),
        array("OffsetStringArray", |event| event.offset.clone().into()),
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
        member("Offset", Json::from(numeric_offset(event)).on_the_wire()),
        member("OffsetString", Json::from(event.offset.as_str()).on_the_wire()),
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
        ("Offset", Json::from(-1)),
        ("OffsetString", Json::Null),
        ("PartitionKey", Json::Null),
        ("EnqueuedTimeUtc", Json::from(year_one)),
    ]);
    let members = [
        ("Offset", Json::from("-1").on_the_wire()),
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

/// "-1" when the offset is not a number: extension 6.5.
fn numeric_offset(event: &Event) -> String {
    event.offset.parse::<i64>().unwrap_or(-1).to_string()
}

fn system_properties(event: &Event) -> Json {
    let mut members: Metadata = event.system_properties.members().iter().map(system_property).collect();
    let offset = event.offset.parse::<i64>().unwrap_or(-1);
    let time = dotnet::date_time(event.enqueued_time_utc);
    let added = [
        ("x-opt-sequence-number", Json::from(event.sequence_number)),
        ("x-opt-offset", Json::from(event.offset.as_str())),
        ("x-opt-enqueued-time", Json::from(with_offset(event.enqueued_time_utc))),
        ("SequenceNumber", Json::from(event.sequence_number)),
        ("Offset", Json::from(offset)),
        ("OffsetString", Json::from(event.offset.as_str())),
        ("PartitionKey", Json::from(event.partition_key.clone())),
        ("EnqueuedTimeUtc", Json::from(time)),
    ];
    for (name, value) in added {
        members.retain(|(existing, _)| existing != name);
        members.push((name.to_owned(), value));
    }
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
        _ => (name.clone(), value.clone()),
    }
}

fn with_offset(at: Timestamp) -> String {
    format!("{}+00:00", dotnet::date_time(at))
}
