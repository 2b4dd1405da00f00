//! The answers of `$cbs` and `$management`.

use super::message::{self, Answer, Request};
use super::node::{self, Service};
use super::value::Value;
use crate::events::{Emitter, EventHub};
use crate::stamp::Stamp;

/// Answers a request.
pub(crate) fn answer(service: Service, request: &Request, emitter: &Emitter) -> Answer {
    match (service, request.text("operation")) {
        // What the real one answers to a good token (read in its clients).
        (Service::Tokens, Some("put-token")) => accepted(202, "Accepted", Vec::new()),
        (Service::Management, Some("READ")) => read(request, emitter),
        (_, operation) => {
            let operation = operation.unwrap_or("(none)");
            refused(501, "amqp:not-implemented", format!("The operation {operation} is not supported"))
        }
    }
}

fn accepted(status: i32, description: &str, body: Vec<(&'static str, Value)>) -> Answer {
    Answer { status, description: description.to_owned(), condition: None, body }
}

fn refused(status: i32, condition: &'static str, description: String) -> Answer {
    Answer { status, description, condition: Some(condition), body: Vec::new() }
}

fn read(request: &Request, emitter: &Emitter) -> Answer {
    let name = request.text("name").unwrap_or_default();
    let found = node::hub(name, emitter).and_then(|at| emitter.event_hubs().get(at));
    let not_found = |what: &str| {
        refused(404, "amqp:not-found", format!("The messaging entity '{what}' could not be found."))
    };
    let Some(hub) = found else { return not_found(name) };
    match request.text("type") {
        Some("com.microsoft:eventhub") => accepted(200, "OK", event_hub(hub)),
        Some("com.microsoft:partition") => {
            let id = partition_id(request.properties.member("partition"));
            match partition(hub, &id) {
                Some(body) => accepted(200, "OK", body),
                None => not_found(&format!("{name}/{id}")),
            }
        }
        kind => {
            let kind = kind.unwrap_or("(none)");
            refused(501, "amqp:not-implemented", format!("Reading a {kind} is not supported"))
        }
    }
}

fn partition_id(value: &Value) -> String {
    value.as_str().map_or_else(|| value.as_i64().map(|id| id.to_string()).unwrap_or_default(), str::to_owned)
}

fn event_hub(hub: &EventHub) -> Vec<(&'static str, Value)> {
    let ids: Vec<Value> = hub.ids().into_iter().map(Value::text).collect();
    vec![
        ("name", Value::text(hub.name)),
        ("type", Value::text("com.microsoft:eventhub")),
        ("created_at", message::milliseconds(hub.created)),
        ("partition_count", Value::Int(i32::try_from(ids.len()).unwrap_or(i32::MAX))),
        ("partition_ids", Value::Array(ids)),
        ("georeplication_factor", Value::Int(1)),
    ]
}

fn partition(hub: &EventHub, id: &str) -> Option<Vec<(&'static str, Value)>> {
    let bounds = hub.partition(id)?.bounds();
    let offset = bounds.last.map_or_else(|| "-1".to_owned(), |(offset, _)| offset.to_string());
    let at = bounds.last.map_or(Stamp::from_milliseconds(0), |(_, at)| at);
    Some(vec![
        ("name", Value::text(hub.name)),
        ("type", Value::text("com.microsoft:partition")),
        ("partition", Value::text(id)),
        ("begin_sequence_number", Value::Long(i64::try_from(bounds.beginning).unwrap_or(i64::MAX))),
        ("last_enqueued_sequence_number", Value::Long(message::last_sequence(bounds))),
        ("last_enqueued_offset", Value::text(offset)),
        ("last_enqueued_time_utc", message::milliseconds(at)),
        ("is_partition_empty", Value::Bool(bounds.last.is_none())),
    ])
}
