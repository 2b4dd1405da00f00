//! The requests of the real host (`tests/payloads/observed`: Core Tools 4.6.0, host 4.1045, Event Hubs extension 6.5.1), built
//! anew from the events that they hold: the same members, types, wrapping and order.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use base64::Engine;
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::invocation::{Failure, RetryContext};

macro_rules! observed {
    ($name:literal) => {
        Observed::read(include_str!(concat!("../../../../tests/payloads/observed/", $name, ".http")))
    };
}

/// A recorded request.
struct Observed {
    invocation: Uuid,
    function: &'static str,
    body: &'static str,
    json: Value,
}

impl Observed {
    fn read(request: &'static str) -> Self {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let id = head.lines().find_map(|line| line.strip_prefix("X-Azure-Functions-InvocationId: "));
        let function = head.split(' ').nth(1).unwrap().trim_start_matches('/');
        Self {
            invocation: id.unwrap().parse().unwrap(),
            function,
            body,
            json: serde_json::from_str(body).unwrap(),
        }
    }

    fn nested<T: serde::de::DeserializeOwned>(&self, pointer: &str) -> T {
        serde_json::from_str(self.json.pointer(pointer).unwrap().as_str().unwrap()).unwrap()
    }

    /// The events as an event log would have served them.
    fn events(&self) -> Vec<Event> {
        let bodies: Vec<String> = self.nested("/Data/events");
        let offsets: Vec<String> = self.nested("/Metadata/OffsetArray");
        let numbers: Vec<i64> = self.nested("/Metadata/SequenceNumberArray");
        let times: Vec<String> = self.nested("/Metadata/EnqueuedTimeUtcArray");
        let keys: Vec<Option<String>> = self.nested("/Metadata/PartitionKeyArray");
        let properties: Vec<Json> = self.nested("/Metadata/PropertiesArray");
        let system: Vec<Json> = self.nested("/Metadata/SystemPropertiesArray");
        let event = |n: usize| Event {
            sequence_number: numbers[n],
            offset: offsets[n].clone(),
            enqueued_time_utc: format!("{}Z", times[n]).parse().unwrap(),
            partition_key: keys[n].clone(),
            body: bodies[n].clone(),
            properties: properties[n].clone(),
            system_properties: before_the_extension(&system[n], &properties[n]),
        };
        (0..bodies.len()).map(event).collect()
    }

    fn trigger(&self) -> EventHubTrigger {
        let of_context = |name: &str| {
            let value = self.json["Metadata"]["PartitionContext"].get(name);
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        EventHubTrigger {
            event_hub: of_context("EventHubName"),
            consumer_group: of_context("ConsumerGroup"),
            namespace: of_context("FullyQualifiedNamespace"),
            cardinality: Cardinality::Many,
            data_type: DataType::Binary,
        }
    }

    /// The same request, made here.
    fn built(&self, retry_count: i64, failure: Option<Failure>) -> String {
        let trigger = self.trigger();
        let binding = Binding { function: self.function, name: "events", trigger: &trigger };
        let partition = self.json["Metadata"]["PartitionContext"]["PartitionId"].as_str().unwrap();
        let built = envelope(binding, partition, &self.events()).unwrap();
        self.with_retry(&built, retry_count, failure)
    }

    fn with_retry(&self, built: &Envelope, retry_count: i64, failure: Option<Failure>) -> String {
        let retry = RetryContext { invocation: self.invocation, retry_count, max_retry_count: -1, failure };
        let body = built.body(self.function, Some(&retry));
        String::from_utf8(body.to_vec()).unwrap()
    }
}

/// Without what the extension has added; the hub's name again where only its length was left of it.
fn before_the_extension(system: &Json, properties: &Json) -> Json {
    let added = ["SequenceNumber", "Offset", "PartitionKey", "EnqueuedTimeUtc"];
    let kept = system
        .members()
        .iter()
        .filter(|(name, _)| !name.starts_with("x-opt-") && !added.contains(&name.as_str()));
    let of_the_log = |(name, value): &(String, Json)| match name.as_str() {
        "user-id" => (name.clone(), properties.member_ignoring_case("hubName").unwrap().clone()),
        _ => (name.clone(), value.clone()),
    };
    Json::Object(kept.map(of_the_log).collect())
}

/// What differs from run to run, and the texts of stack traces, blotted out.
fn without_chances(text: &str) -> String {
    blotted(Json::parse(text).unwrap()).to_pretty_text()
}

fn blotted(value: Json) -> Json {
    let chance = |name: &str| ["UtcNow", "RandGuid", "StackTrace", "StackTraceString"].contains(&name);
    match value {
        Json::Object(members) => {
            let blot = |(name, value): (String, Json)| {
                let text = value.as_text().is_some();
                let value = if text && chance(&name) { Json::from("…") } else { blotted(value) };
                (name, value)
            };
            Json::Object(members.into_iter().map(blot).collect())
        }
        Json::Array(items) => items.into_iter().map(blotted).collect(),
        other => other,
    }
}

#[test]
fn first_attempts_are_built_as_the_real_host_builds_them() {
    for observed in [
        observed!("registry-sync-one-event"),
        observed!("registry-sync-several-events"),
        observed!("twin-sync-first-of-its-partition"),
        observed!("twin-sync-device-created"),
    ] {
        assert_eq!(without_chances(&observed.built(0, None)), without_chances(observed.body));
    }
}

#[test]
fn retries_tell_of_the_failure_before_as_the_real_host_tells_it() {
    let died = observed!("twin-sync-retry-after-handler-died");
    let failure = Failure::Connection("reset".to_owned());
    assert_eq!(without_chances(&died.built(1, Some(failure))), without_chances(died.body));
    let refused = observed!("registry-sync-retry-after-500");
    let built = refused.built(1, Some(Failure::Status(500)));
    // The recorded handler had a reason of its own.
    let built = built.replace("500 (Internal Server Error).", "500 (X).");
    assert_eq!(without_chances(&built), without_chances(refused.body));
}

#[test]
fn an_event_made_by_hand_is_built_as_the_real_host_builds_it() {
    let observed = observed!("admin-run-twin-sync");
    let trigger = observed.trigger();
    let input = r#"{"hello":1}"#;
    let event = AdminEvent { function: observed.function, binding: "events", trigger: &trigger, input };
    let built = observed.with_retry(&admin_envelope(event).unwrap(), 0, None);
    assert_eq!(without_chances(&built), without_chances(observed.body));
    let [body]: [String; 1] = observed.nested("/Data/events");
    assert_eq!(STANDARD.decode(body).unwrap(), input.as_bytes());
}

#[test]
fn a_time_of_the_hub_loses_its_trailing_zeros() {
    let mut event = observed!("twin-sync-device-created").events().remove(0);
    event.system_properties = Json::object([("iothub-enqueuedtime", "2026-11-29T22:48:37.310Z".into())]);
    let trigger = observed!("twin-sync-device-created").trigger();
    let binding = Binding { function: "f", name: "events", trigger: &trigger };
    let body = envelope(binding, "0", &[event]).unwrap().body("f", None);
    assert!(String::from_utf8_lossy(&body).contains("22:48:37.31Z"));
}
