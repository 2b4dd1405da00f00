#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::members::timestamp;
use super::*;
use crate::model::SectionWrites;

fn object(value: Value) -> Object {
    value.as_object().cloned().unwrap()
}

fn one(body: &Value, properties: Value, system: Value) -> Result<Hint, NotANotification> {
    read(body, properties, system).map(|hint| hint.expect("a hint"))
}

fn read(body: &Value, properties: Value, system: Value) -> Result<Option<Hint>, NotANotification> {
    let mut hints = parse(body.to_string().as_bytes(), &object(properties), &object(system));
    assert_eq!(hints.len(), 1);
    hints.remove(0)
}

fn routed(op_type: &str) -> Value {
    json!({"hubName": "contoso", "deviceId": "pump-17", "opType": op_type,
        "iothub-message-schema": "twinChangeNotification",
        "operationTimestamp": "2026-07-01T08:00:00.1234567+00:00"})
}

fn grid(event_type: &str) -> Value {
    json!({"id": "1", "topic": "/SUBSCRIPTIONS/S/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/CONTOSO",
        "subject": "devices/pump-17", "eventType": event_type, "eventTime": "2026-07-01T08:00:00.1234567Z",
        "data": {"hubName": "CONTOSO", "deviceId": "pump-17", "twin": {"deviceId": "pump-17",
            "deviceEtag": "null", "version": 2, "properties": {
                "desired": {"$metadata": {}, "$version": 1}, "reported": {"$metadata": {}, "$version": 1}}}}})
}

fn noon() -> Timestamp {
    "2026-07-01T08:00:00.1234567Z".parse().unwrap()
}

#[test]
fn an_update_carries_its_patch_without_the_hubs_own_members() {
    let body = json!({"version": 12, "tags": {"site": "B", "old": null}, "properties": {
        "desired": {"rate": 6, "$metadata": {"rate": {}}, "$version": 4},
        "reported": {"a": {"b": null}, "$version": 9}}});
    let hint = one(&body, routed("updateTwin"), json!({})).unwrap();
    assert_eq!(hint.identity, "pump-17".parse().unwrap());
    assert_eq!(hint.hub.as_deref(), Some("contoso"));
    assert_eq!(hint.kind, HintKind::Twin { replaced: false });
    assert_eq!(hint.occurred, Some(noon()));
    assert_eq!((hint.version, hint.reported_version), (Some(12), Some(9)));
    let patch = |value| SectionWrites::from_patch(&object(value), hint.occurred);
    assert_eq!(hint.writes.tags, patch(json!({"site": "B", "old": null})));
    assert_eq!(hint.writes.desired, patch(json!({"rate": 6})));
    assert_eq!(hint.writes.reported, patch(json!({"a": {"b": null}})));
}

#[test]
fn tags_alone_are_a_change() {
    let hint = one(&json!({"version": 3, "tags": {"a": 1}}), routed("updateTwin"), json!({})).unwrap();
    assert!(
        hint.writes.desired.is_empty() && hint.writes.reported.is_empty() && !hint.writes.tags.is_empty()
    );
}

#[test]
fn null_in_the_place_of_a_section_took_all_of_it_away_unless_a_device_reports() {
    let nothing = |hint: &Hint| SectionWrites::replacement(&Object::new(), hint.occurred);
    let body = json!({"version": 4, "tags": null, "properties": {"desired": null}});
    let hint = one(&body, routed("updateTwin"), json!({})).unwrap();
    assert_eq!((&hint.writes.tags, &hint.writes.desired), (&nothing(&hint), &nothing(&hint)));
    let body = json!({"version": 5, "tags": null, "properties": {"desired": {"a": 1}}});
    let hint = one(&body, routed("updateTwin"), json!({})).unwrap();
    assert_eq!((hint.writes.tags == nothing(&hint), hint.writes.desired.removes()), (true, false));
    let reported = json!({"fw": 1, "$version": 2});
    let body = json!({"version": 6, "tags": null, "properties": {"desired": null, "reported": reported}});
    let hint = one(&body, routed("updateTwin"), json!({})).unwrap();
    assert!(
        hint.writes.tags.is_empty() && hint.writes.desired.is_empty() && !hint.writes.reported.is_empty()
    );
}

#[test]
fn a_replacement_replaces_tags_even_when_it_has_none_and_nothing_that_the_device_reports() {
    let body = json!({"deviceId": "pump-17", "etag": "AAAAAAAAAAI=", "version": 5, "properties": {
        "desired": {"rate": 6, "$version": 2}, "reported": {"n": 1, "$version": 3}}});
    let hint = one(&body, routed("replaceTwin"), json!({})).unwrap();
    assert_eq!(hint.kind, HintKind::Twin { replaced: true });
    let whole = |value| SectionWrites::replacement(&object(value), hint.occurred);
    assert_eq!(hint.writes.tags, whole(json!({})));
    assert_eq!(hint.writes.desired, whole(json!({"rate": 6})));
    assert!(hint.writes.reported.is_empty());
}

#[test]
fn ids_come_from_the_system_properties_when_the_application_has_none() {
    let system = json!({"iothub-connection-device-id": "d", "iothub-connection-module-id": "m",
        "iothub-message-source": "twinChangeEvents", "user-id": {"Length": 19, "IsEmpty": false},
        "iothub-enqueuedtime": "2026-07-01T08:00:00.1234567Z"});
    let hint = one(&json!({"version": 3, "tags": {"a": 1}}), json!({}), system).unwrap();
    assert_eq!(hint.identity, "d/m".parse().unwrap());
    assert_eq!((hint.hub, hint.occurred), (None, Some(noon())));
    assert_eq!(hint.kind, HintKind::Twin { replaced: false });
}

#[test]
fn lifecycle_messages_say_created_and_deleted_and_carry_nothing() {
    let body = json!({"deviceId": "pump-17", "moduleId": "m", "etag": "x", "version": 2,
        "properties": {"desired": {"$version": 1}, "reported": {"$version": 1}}});
    for (op_type, kind) in [
        ("createDeviceIdentity", HintKind::Created),
        ("deleteDeviceIdentity", HintKind::Deleted),
        ("createModuleIdentity", HintKind::Created),
        ("deleteModuleIdentity", HintKind::Deleted),
    ] {
        let mut properties = routed(op_type);
        properties["moduleId"] = json!("m");
        let hint = one(&body, properties, json!({})).unwrap();
        assert_eq!((hint.kind, hint.identity.to_string()), (kind, "pump-17/m".to_owned()));
        assert!(hint.writes.is_empty());
    }
}

#[test]
fn event_grid_is_understood_as_array_object_and_cloud_event() {
    let event = grid("Microsoft.Devices.DeviceCreated");
    let mut cloud = event.clone();
    let members = cloud.as_object_mut().unwrap();
    for (from, to) in [("topic", "source"), ("eventType", "type"), ("eventTime", "time")] {
        let value = members.remove(from).unwrap();
        members.insert(to.to_owned(), value);
    }
    members.insert("specversion".to_owned(), json!("1.0"));
    for body in [json!([event]), event.clone(), cloud.clone(), json!([cloud])] {
        let hint = one(&body, json!({"aeg-event-type": "Notification"}), json!({})).unwrap();
        assert_eq!((hint.kind, hint.identity.to_string()), (HintKind::Created, "pump-17".to_owned()));
        assert_eq!((hint.hub.as_deref(), hint.occurred), (Some("CONTOSO"), Some(noon())));
        assert!(hint.writes.is_empty());
    }
}

#[test]
fn one_bad_element_harms_only_itself() {
    let events = json!([
        grid("Microsoft.Devices.DeviceDeleted"),
        7,
        grid("Other.Thing"),
        grid("Microsoft.Devices.DeviceConnected")
    ]);
    let hints = parse(events.to_string().as_bytes(), &Object::new(), &Object::new());
    assert_eq!(hints.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(hints[3], Ok(None));
}

#[test]
fn the_hub_is_the_last_segment_of_the_topic_when_the_data_does_not_say() {
    let mut event = grid("Microsoft.Devices.DeviceDeleted");
    event["data"] = json!({});
    let hint = one(&event, json!({}), json!({})).unwrap();
    assert_eq!((hint.hub.as_deref(), hint.identity.to_string()), (Some("CONTOSO"), "pump-17".to_owned()));
}

#[test]
fn a_message_that_changes_nothing_needs_no_readable_body() {
    for (properties, system) in [
        (json!({"opType": "deviceConnected", "deviceId": "d"}), json!({})),
        (json!({}), json!({"iothub-message-source": "Telemetry", "iothub-connection-device-id": "d"})),
    ] {
        let hints = parse(b"\xff\x00", &object(properties), &object(system));
        assert_eq!(hints, [Ok(None)]);
    }
}

#[test]
fn a_connection_state_is_told_in_three_forms_and_changes_nothing() {
    let info = json!({"deviceConnectionStateEventInfo": {"sequenceNumber": "0001"}, "hubName": "C", "deviceId": "d"});
    let grid = json!([{"id": "1", "subject": "devices/d", "eventType": "Microsoft.Devices.DeviceConnected", "data": info}]);
    let cloud = json!({"specversion": "1.0", "type": "Microsoft.Devices.DeviceDisconnected", "data": info});
    let routed = json!({"hubName": "c", "deviceId": "d", "opType": "deviceConnected", "operationTimestamp": "2026-07-01T08:00:00+00:00",
        "iothub-message-schema": "deviceConnectionStateNotification"});
    for (body, properties) in
        [(grid, json!({})), (cloud, json!({})), (json!({"sequenceNumber": "0001"}), routed)]
    {
        assert_eq!(read(&body, properties, json!({})), Ok(None));
    }
}

#[test]
fn a_message_that_changes_nothing_need_not_name_a_device() {
    let telemetry = json!({"iothub-message-source": "Telemetry"});
    assert_eq!(parse(b"21.5", &Object::new(), &object(telemetry)), [Ok(None)]);
    for kind in ["Microsoft.Devices.SomethingNew", "Microsoft.EventGrid.SubscriptionDeletedEvent"] {
        let event = json!([{"id": "1", "subject": "hub", "eventType": kind, "data": {}}]);
        assert_eq!(read(&event, json!({}), json!({})), Ok(None), "{kind}");
    }
}

#[test]
fn an_update_that_names_no_device_is_not_a_notification() {
    let body = json!({"version": 7, "tags": {"a": 1}});
    assert_eq!(one(&body, json!({}), json!({"Offset": -1})), Err(not("nothing names the device")));
}

#[test]
fn an_unlabelled_body_that_names_its_device_is_only_a_hint_to_look() {
    let body =
        json!({"deviceId": "d", "etag": "x", "version": 2, "properties": {"desired": {"$version": 1}}});
    let hint = one(&body, json!({}), json!({})).unwrap();
    assert_eq!((hint.kind, hint.writes.is_empty()), (HintKind::Twin { replaced: false }, true));
}

#[test]
fn reasons_name_what_is_wrong() {
    let reason = |body: &[u8], properties: Value| {
        parse(body, &object(properties), &Object::new()).remove(0).unwrap_err().0
    };
    assert_eq!(reason(b"", json!({})), "an empty body");
    assert_eq!(reason(b"[]", json!({})), "an empty array");
    assert_eq!(reason(b"\xff\xfe", json!({})), "not JSON, line 1 column 1");
    assert_eq!(reason(b"{}", json!({})), "neither an Event Grid event nor a hub's message");
    let mut properties = routed("updateTwin");
    properties["deviceId"] = json!("pump 17");
    assert_eq!(reason(b"{}", properties), "device id: an id must not contain ' '");
    assert_eq!(
        reason(br#"{"deviceId":"other"}"#, routed("replaceTwin")),
        "the properties and the body name two devices"
    );
    let deep = "[".repeat(100_000);
    assert!(reason(deep.as_bytes(), json!({})).starts_with("not JSON"));
}

#[test]
fn times_are_read_with_and_without_a_zone() {
    for text in [
        "2026-07-01T08:00:00.1234567Z",
        "2026-07-01T08:00:00.1234567+00:00",
        "2026-07-01T10:00:00.1234567+02:00",
        "2026-07-01T08:00:00.1234567",
    ] {
        assert_eq!(timestamp(text), Some(noon()), "{text}");
    }
    assert_eq!(timestamp("yesterday"), None);
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        "[a-z$]{0,3}",
        prop::sample::select(vec![
            "deviceId",
            "moduleId",
            "properties",
            "tags",
            "desired",
            "reported",
            "version",
            "$version",
            "data",
            "eventType",
            "type",
            "subject",
            "twin",
            "hubName",
            "opType",
            "etag",
            "topic",
            "iothub-message-source",
            "iothub-message-schema",
            "operationTimestamp",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        Just(serde_json::from_str::<Value>("1e999999").unwrap()),
        Just(serde_json::from_str::<Value>("-123456789012345678901234567890").unwrap()),
        any::<u64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        prop::sample::select(vec![
            "updateTwin",
            "replaceTwin",
            "deleteDeviceIdentity",
            "d",
            "twinChangeEvents",
            "Microsoft.Devices.DeviceCreated",
            "2026-07-01T08:00:00Z",
            "devices/d",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Object> {
    any_json().prop_map(|value| match value {
        Value::Object(members) => members,
        other => [("opType".to_owned(), other)].into_iter().collect(),
    })
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(
        body in prop::collection::vec(any::<u8>(), 0..64), properties in any_object(), system in any_object(),
    ) {
        prop_assert!(!parse(&body, &properties, &system).is_empty());
    }

    #[test]
    fn any_json_gives_an_answer(body in any_json(), properties in any_object(), system in any_object()) {
        prop_assert!(!parse(body.to_string().as_bytes(), &properties, &system).is_empty());
    }
}
