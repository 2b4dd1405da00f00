#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The host's requests, made from the rules in its source.
macro_rules! golden {
    ($name:literal) => {
        read(include_bytes!(concat!("../../../tests/golden/eventhub-", $name, ".request.json")))
    };
}

fn read(body: &[u8]) -> EventBatch {
    Invocation::read(body).unwrap().try_into().unwrap()
}

fn of(data: Value, metadata: Value) -> EventBatch {
    read(json!({ "Data": { "any": data }, "Metadata": metadata }).to_string().as_bytes())
}

fn body_of(record: &EventRecord) -> Value {
    serde_json::from_slice(&record.body).unwrap()
}

fn assert_the_two_events(batch: &EventBatch) {
    assert_eq!((batch.event_hub.as_str(), batch.partition.as_str()), ("iothub-events", "1"));
    assert_eq!(batch.consumer_group, "twins");
    let numbers: Vec<_> = batch.records.iter().map(|record| record.sequence_number).collect();
    assert_eq!(numbers, [Some(17), Some(18)]);
    let [first, second] = &batch.records[..] else { unreachable!() };
    assert_eq!(body_of(first)["tags"]["tag1"], "new value");
    assert_eq!(body_of(second)["tags"]["site"], "Båstad");
    assert_eq!(first.properties["deviceId"], "contoso-device-3");
    assert_eq!(second.properties["opType"], "replaceTwin");
    assert_eq!(second.system["iothub-connection-device-id"], "contoso-device-4");
    assert_eq!(first.enqueued, Some("2022-06-01T22:27:50.329Z".parse().unwrap()));
}

#[test]
fn every_form_of_a_batch_gives_the_same_events() {
    for (batch, retries) in [
        (golden!("many-binary"), 0),
        (golden!("many-string"), 0),
        (golden!("many-unset"), 0),
        (golden!("many-binary-first-attempt-with-retry-policy"), 0),
        (golden!("many-binary-retry"), 1),
    ] {
        assert_the_two_events(&batch);
        assert_eq!(batch.retry_count, retries);
    }
}

#[test]
fn a_single_event_keeps_its_place_and_its_properties() {
    let batch = golden!("one-binary");
    assert_eq!(batch.records.len(), 1);
    let record = &batch.records[0];
    assert_eq!(body_of(record)["version"], 7);
    assert_eq!(record.properties["hubName"], "contoso-routing-hub");
    assert_eq!(record.sequence_number, Some(17));
    assert_eq!(record.enqueued, Some("2022-06-01T22:27:50.329Z".parse().unwrap()));
}

#[test]
fn properties_that_the_body_overwrote_are_not_the_events_own() {
    let batch = golden!("one-string");
    let record = &batch.records[0];
    assert_eq!(body_of(record)["version"], 7);
    assert!(record.properties.is_empty());
    assert_eq!(record.system["iothub-connection-device-id"], "contoso-device-3");
    assert_eq!(record.sequence_number, Some(17));
}

#[test]
fn what_the_body_may_have_written_over_the_events_metadata_is_not_the_events_own() {
    let stamps = json!({ "iothub-message-source": "twinChangeEvents" });
    for name in ["SystemProperties", "systemproperties", "SystemPropertiesArray", "PartitionContext"] {
        let mut body = json!({ "version": 3 });
        body[name] =
            if name.ends_with("Array") { json!(json!([stamps]).to_string()) } else { stamps.clone() };
        let metadata =
            json!({ "Properties": { "opType": "updateTwin" }, "SystemProperties": stamps, name: body[name] });
        let one = of(json!(json!(body.to_string()).to_string()), metadata.clone());
        let record = &one.records[0];
        assert!(
            record.properties.is_empty() && record.system.is_empty() && one.partition.is_empty(),
            "{name}"
        );
        assert_eq!(body_of(record), body);
        // In an array the host copies nothing.
        let many = of(json!(json!([body.to_string()]).to_string()), metadata);
        assert!(!many.records[0].system.is_empty(), "{name}");
    }
}

#[test]
fn the_admin_endpoint_names_no_place_in_a_partition() {
    let batch = golden!("admin-invoke");
    assert_eq!((batch.event_hub.as_str(), batch.partition.as_str()), ("", ""));
    let record = &batch.records[0];
    assert_eq!(body_of(record)["version"], 7);
    assert_eq!((record.sequence_number, record.enqueued), (None, None));
}

#[test]
fn values_that_are_not_wrapped_in_a_string_are_taken_too() {
    let batch = of(
        json!(["eyJhIjoxfQ==", "{\"a\":1}", { "a": 1 }]),
        json!({
            "PartitionContext": "{\"PartitionId\":\"3\",\"EventHubName\":\"registry\"}",
            "SequenceNumberArray": [1, "2", 3],
            "PropertiesArray": [{ "n": 1 }, "{\"n\":2}"],
        }),
    );
    assert_eq!(batch.partition, "3");
    for (index, record) in batch.records.iter().enumerate() {
        assert_eq!(body_of(record), json!({ "a": 1 }), "{index}");
        assert_eq!(record.sequence_number, i64::try_from(index).ok().map(|n| n + 1));
    }
    assert_eq!(batch.records[1].properties["n"], 2);
}

#[test]
fn metadata_that_is_missing_or_short_leaves_gaps_and_loses_no_event() {
    let metadata =
        json!({ "SequenceNumberArray": "[5]", "PropertiesArray": "nonsense", "EnqueuedTimeUtcArray": 7 });
    let batch = of(json!("[\"e30=\",\"e30=\",\"e30=\"]"), metadata);
    let numbers: Vec<_> = batch.records.iter().map(|record| record.sequence_number).collect();
    assert_eq!(numbers, [Some(5), None, None]);
    assert!(batch.records.iter().all(|record| record.properties.is_empty() && record.enqueued.is_none()));
}

#[test]
fn bodies_that_are_not_text_survive() {
    let batch = of(json!("[\"//4=\",\"\",\"not base64\"]"), json!({}));
    let bodies: Vec<_> = batch.records.iter().map(|record| record.body.as_ref()).collect();
    assert_eq!(bodies, [b"\xff\xfe".as_slice(), b"", b"not base64"]);
}

#[test]
fn base64_of_a_single_event_may_look_like_a_number() {
    let batch = of(json!("1234"), json!({}));
    assert_eq!(batch.records[0].body.as_ref(), [0xd7, 0x6d, 0xf8]);
}

#[test]
fn a_sequence_number_in_the_body_does_not_take_the_events_place() {
    let metadata =
        json!({ "SequenceNumber": "\"000000000001\"", "SystemProperties": { "SequenceNumber": 9 } });
    assert_eq!(of(json!("e30="), metadata).records[0].sequence_number, Some(9));
}

#[test]
fn a_trigger_must_be_there_and_be_alone() {
    for body in ["{}", r#"{"Data":{}}"#, r#"{"Data":{"a":1,"b":2}}"#] {
        let batch = Invocation::read(body.as_bytes()).and_then(EventBatch::try_from);
        assert!(matches!(batch, Err(BadInvocation::NotOneBinding(_))), "{body}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("[1,{},\"e30=\"]")),
        Just(json!("{\"deviceId\":\"a\"}")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(known_key(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn known_key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "Data",
            "Metadata",
            "events",
            "PropertiesArray",
            "SystemPropertiesArray",
            "SequenceNumberArray",
            "EnqueuedTimeUtcArray",
            "PartitionContext",
            "RetryContext",
            "RetryCount",
            "Properties",
            "SystemProperties",
            "SequenceNumber",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = Invocation::read(&bytes).and_then(EventBatch::try_from);
    }

    #[test]
    fn no_json_makes_the_decoder_panic(data in json_value(), metadata in json_value(), whole in json_value()) {
        for value in [json!({ "Data": { "events": data }, "Metadata": metadata }), whole] {
            let _ = Invocation::read(value.to_string().as_bytes()).and_then(EventBatch::try_from);
        }
    }

    #[test]
    fn every_body_comes_out_as_it_went_in(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..8)
    ) {
        let encoded: Vec<_> = bodies.iter().map(|body| STANDARD.encode(body)).collect();
        let batch = of(json!(serde_json::to_string(&encoded).unwrap()), json!({}));
        let decoded: Vec<_> = batch.records.iter().map(|record| record.body.to_vec()).collect();
        prop_assert_eq!(decoded, bodies);
    }
}
