//! The golden requests, built from the events they hold.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::Value;

use super::*;
use crate::app::{Cardinality, DataType, EventHubTrigger};
use crate::invocation::{Envelope, Failure, RetryContext};

fn events() -> Vec<Event> {
    let golden = include_str!("../../tests/golden/eventhub-many-binary.request.json");
    let golden: Value = serde_json::from_str(golden).unwrap();
    let nested = |pointer: &str| -> Value {
        serde_json::from_str(golden.pointer(pointer).unwrap().as_str().unwrap()).unwrap()
    };
    let bodies = nested("/Data/events");
    let properties = golden["Metadata"]["PropertiesArray"].as_str().unwrap();
    let properties: Vec<Json> = serde_json::from_str(properties).unwrap();
    let system = |correlation: &str, device: &str, enqueued: &str| {
        Json::object([
            ("user-id", "contoso-routing-hub".into()),
            ("correlation-id", correlation.into()),
            ("content-type", "application/json".into()),
            ("content-encoding", "utf-8".into()),
            ("iothub-connection-device-id", device.into()),
            ("iothub-enqueuedtime", enqueued.into()),
            ("iothub-message-source", "twinChangeEvents".into()),
        ])
    };
    let system = [
        system("4d1f1e2e74f", "contoso-device-3", "2022-06-01T22:27:50.282Z"),
        system("4d1f1e2e750", "contoso-device-4", "2022-06-01T22:27:51.121Z"),
    ];
    let places = [(17, "12352", "2022-06-01T22:27:50.329Z"), (18, "13104", "2022-06-01T22:27:51.157Z")];
    let mut built = Vec::new();
    for (index, ((number, offset, time), system)) in places.into_iter().zip(system).enumerate() {
        built.push(Event {
            sequence_number: number,
            offset: offset.to_owned(),
            enqueued_time_utc: time.parse().unwrap(),
            partition_key: None,
            body: bodies[index].as_str().unwrap().to_owned(),
            properties: properties[index].clone(),
            system_properties: system,
        });
    }
    built
}

fn trigger(cardinality: Cardinality, data_type: DataType) -> EventHubTrigger {
    EventHubTrigger {
        event_hub: "iothub-events".to_owned(),
        consumer_group: "twins".to_owned(),
        namespace: "contoso-ns.servicebus.windows.net".to_owned(),
        cardinality,
        data_type,
    }
}

/// What differs from run to run is taken from the golden file.
fn with_same_chances(built: &[u8], golden: &Value) -> Value {
    let mut built: Value = serde_json::from_slice(built).unwrap();
    for pointer in
        ["/Metadata/sys/UtcNow", "/Metadata/sys/RandGuid", "/Metadata/RetryContext/Exception/InstanceId"]
    {
        if let (Some(mine), Some(theirs)) = (built.pointer_mut(pointer), golden.pointer(pointer)) {
            *mine = theirs.clone();
        }
    }
    built
}

fn build(cardinality: Cardinality, data_type: DataType) -> Result<Envelope, Failure> {
    let trigger = trigger(cardinality, data_type);
    let (function, name) = match cardinality {
        Cardinality::Many => ("TwinChanges", "events"),
        Cardinality::One => ("TwinChange", "event"),
    };
    let all = events();
    let batch = if cardinality == Cardinality::One { &all[..1] } else { &all[..] };
    envelope(Binding { function, name, trigger: &trigger }, "1", batch)
}

fn assert_golden(cardinality: Cardinality, data_type: DataType, retry: Option<&RetryContext>, golden: &str) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let built = build(cardinality, data_type).unwrap().body("TwinChanges", retry);
    assert_eq!(with_same_chances(&built, &golden), golden);
}

#[test]
fn a_batch_of_bytes_is_an_array_of_base64_inside_a_string() {
    let golden = include_str!("../../tests/golden/eventhub-many-binary.request.json");
    assert_golden(Cardinality::Many, DataType::Binary, None, golden);
}

#[test]
fn a_batch_of_strings_is_an_array_of_strings_inside_a_string() {
    let golden = include_str!("../../tests/golden/eventhub-many-string.request.json");
    assert_golden(Cardinality::Many, DataType::Text, None, golden);
}

#[test]
fn a_batch_without_data_type_is_parsed_and_its_dates_are_written_anew() {
    let golden = include_str!("../../tests/golden/eventhub-many-unset.request.json");
    assert_golden(Cardinality::Many, DataType::Unset, None, golden);
}

#[test]
fn one_event_of_bytes_is_plain_base64() {
    let golden = include_str!("../../tests/golden/eventhub-one-binary.request.json");
    assert_golden(Cardinality::One, DataType::Binary, None, golden);
}

#[test]
fn one_event_as_a_string_loses_its_properties_to_the_body() {
    let golden = include_str!("../../tests/golden/eventhub-one-string.request.json");
    assert_golden(Cardinality::One, DataType::Text, None, golden);
    assert_golden(Cardinality::One, DataType::Unset, None, golden);
}

#[test]
fn a_retry_policy_shows_from_the_first_attempt_on() {
    let golden =
        include_str!("../../tests/golden/eventhub-many-binary-first-attempt-with-retry-policy.request.json");
    let retry =
        RetryContext { invocation: uuid::Uuid::nil(), retry_count: 0, max_retry_count: -1, failure: None };
    assert_golden(Cardinality::Many, DataType::Binary, Some(&retry), golden);
}

#[test]
fn a_retry_tells_the_failure_before_it() {
    let golden = include_str!("../../tests/golden/eventhub-many-binary-retry.request.json");
    let failure = Some(Failure::Status(500));
    let retry = RetryContext { invocation: uuid::Uuid::nil(), retry_count: 1, max_retry_count: -1, failure };
    assert_golden(Cardinality::Many, DataType::Binary, Some(&retry), golden);
}

#[test]
fn an_event_made_by_hand_has_the_poorer_metadata() {
    let golden: Value =
        serde_json::from_str(include_str!("../../tests/golden/eventhub-admin-invoke.request.json")).unwrap();
    let body: Value =
        serde_json::from_str(include_str!("../../tests/golden/admin-invoke.body.json")).unwrap();
    let trigger = trigger(Cardinality::Many, DataType::Binary);
    let input = body["input"].as_str().unwrap();
    let event = AdminEvent { function: "TwinChanges", binding: "events", trigger: &trigger, input };
    let built = admin_envelope(event).unwrap().body("TwinChanges", None);
    assert_eq!(with_same_chances(&built, &golden), golden);
}

#[test]
fn the_request_is_compact_and_in_the_hosts_order() {
    let golden = include_str!("../../tests/golden/eventhub-many-binary.request.json");
    let built = build(Cardinality::Many, DataType::Binary).unwrap().body("TwinChanges", None);
    let until_sys = |text: &str| text.split(r#""sys""#).next().unwrap().to_owned();
    let compact = Json::parse(golden).unwrap().to_text();
    assert_eq!(until_sys(std::str::from_utf8(&built).unwrap()), until_sys(&compact));
}

#[test]
fn bytes_that_are_not_utf8_survive_only_as_binary() {
    let trigger_of = |data_type| trigger(Cardinality::Many, data_type);
    let mut event = events().remove(0);
    event.body = "//4=".to_owned();
    let data = |data_type| {
        let trigger = trigger_of(data_type);
        let binding = Binding { function: "f", name: "e", trigger: &trigger };
        let built = envelope(binding, "0", std::slice::from_ref(&event))?.body("f", None);
        let built: Value = serde_json::from_slice(&built).unwrap();
        Ok::<_, Failure>(built["Data"]["e"].as_str().unwrap().to_owned())
    };
    assert_eq!(data(DataType::Binary).unwrap(), r#"["//4="]"#);
    assert_eq!(data(DataType::Text).unwrap(), "[\"\u{fffd}\u{fffd}\"]");
    assert!(matches!(data(DataType::Unset), Err(Failure::Binding(_))));
}
