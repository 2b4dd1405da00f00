//! The reader on what the real host has sent (`tests/payloads/observed`: Core Tools 4.6.0, host 4.1045, Event Hubs extension
//! 6.5.1).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::Value;

use super::*;

macro_rules! observed {
    ($name:literal) => {
        read(include_bytes!(concat!("../../../tests/payloads/observed/", $name, ".http")))
    };
}

/// The batch in the body of a recorded request.
fn read(request: &[u8]) -> EventBatch {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    Invocation::read(&request[end + 4..]).unwrap().try_into().unwrap()
}

fn body_of(record: &EventRecord) -> Value {
    serde_json::from_slice(&record.body).unwrap()
}

/// Event hub, partition, consumer group, and the number of retries.
fn place(batch: &EventBatch) -> (&str, &str, &str, u32) {
    (&batch.event_hub, &batch.partition, &batch.consumer_group, batch.retry_count)
}

fn devices(batch: &EventBatch) -> Vec<(String, Option<i64>)> {
    let device = |record| body_of(record)[0]["data"]["deviceId"].as_str().unwrap().to_owned();
    batch.records.iter().map(|record| (device(record), record.sequence_number)).collect()
}

#[test]
fn the_notices_of_event_grid_are_read() {
    let one = observed!("registry-sync-one-event");
    assert_eq!(place(&one), ("registry", "3", "iot-hadr", 0));
    assert_eq!(devices(&one), [("rec-1".to_owned(), Some(1))]);
    assert_eq!(one.records[0].enqueued, Some("2026-11-29T22:21:44.807Z".parse().unwrap()));
    assert_eq!(one.records[0].properties["aeg-event-type"], "Notification");
    assert_eq!(one.records[0].system["message-id"], "0e83d26a-03c8-4c69-a2ae-c0b7bb428511");
    let several = observed!("registry-sync-several-events");
    assert_eq!(devices(&several), [("bulk-0".to_owned(), Some(2)), ("bulk-4".to_owned(), Some(3))]);
    let messages: Vec<_> = several.records.iter().map(|record| record.system["message-id"].clone()).collect();
    assert_eq!(messages, ["edce7b25-66c2-4991-ac9d-44e914c14958", "a634442f-4ae9-4543-9363-bbd76551469e"]);
}

#[test]
fn routed_events_keep_the_stamps_of_their_hub_and_a_sequence_number_of_0() {
    for (batch, device, hub, partition, number) in [
        (observed!("twin-sync-first-of-its-partition"), "bulk-3", "primary", "3", 0),
        (observed!("twin-sync-device-created"), "to-1", "primary", "0", 1702),
    ] {
        assert_eq!(place(&batch), ("devicetwin", partition, "iot-hadr", 0));
        let [record] = &batch.records[..] else { unreachable!() };
        assert_eq!(record.sequence_number, Some(number));
        assert_eq!(body_of(record)["deviceId"], device);
        assert_eq!(record.properties["hubName"], hub);
        assert_eq!(record.properties["opType"], "createDeviceIdentity");
        assert_eq!(record.system["iothub-connection-device-id"], device);
        assert_eq!(record.system["iothub-message-source"], "deviceLifecycleEvents");
        assert!(record.system["user-id"].is_object(), "the host gives the hub's name as no text");
        assert!(record.enqueued.is_some());
    }
}

#[test]
fn a_retry_is_counted_whatever_the_exception_before_it_looks_like() {
    let refused = observed!("registry-sync-retry-after-500");
    assert_eq!(place(&refused), ("registry", "3", "iot-hadr", 1));
    assert_eq!(devices(&refused), [("fail-1".to_owned(), Some(24))]);
    let died = observed!("twin-sync-retry-after-handler-died");
    assert_eq!(place(&died), ("devicetwin", "0", "iot-hadr", 1));
    assert_eq!((body_of(&died.records[0])["deviceId"].as_str(), died.records.len()), (Some("to-1"), 1));
}

#[test]
fn an_event_made_by_hand_has_no_place_and_no_time() {
    let batch = observed!("admin-run-twin-sync");
    assert_eq!(place(&batch), ("", "", "", 0));
    let [record] = &batch.records[..] else { unreachable!() };
    assert_eq!(record.body.as_ref(), br#"{"hello":1}"#);
    assert_eq!((record.sequence_number, record.enqueued), (None, None));
    assert!(record.properties.is_empty());
}
