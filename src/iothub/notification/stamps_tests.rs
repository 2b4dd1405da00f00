//! What outranks what: the hub's stamps, the application properties, the body.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn members(value: &Value) -> Object {
    value.as_object().cloned().unwrap()
}

fn all(body: &[u8], properties: &Value, system: &Value) -> Vec<Result<Option<Hint>, NotANotification>> {
    parse(body, &members(properties), &members(system))
}

/// The one hint of an event that is understood.
fn one(body: &Value, properties: &Value, system: &Value) -> Option<Hint> {
    let mut found = all(body.to_string().as_bytes(), properties, system);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).unwrap()
}

fn stamped(source: &str) -> Value {
    json!({"iothub-message-source": source, "iothub-connection-device-id": "d", "user-id": {"Length": 4, "IsEmpty": false},
        "iothub-enqueuedtime": "2026-07-01T08:00:01Z"})
}

fn patch() -> Value {
    json!({"version": 3, "tags": {"a": 1}})
}

/// What an enrichment, or a device, may put there.
fn hiding() -> Value {
    json!({"hubName": "west", "deviceId": "$twin.tags.deviceId", "moduleId": "m", "opType": "$twin.tags.opType",
        "iothub-message-schema": "deviceLifecycleNotification", "iothub-message-source": "Telemetry",
        "iothub-connection-device-id": "mallory", "iothub-connection-module-id": "m", "operationTimestamp": "never"})
}

#[test]
fn a_stamped_source_that_is_neither_twin_changes_nor_lifecycle_is_ignored_whatever_else_is_said() {
    let properties = json!({"hubName": "west", "deviceId": "victim", "opType": "replaceTwin",
        "iothub-message-schema": "twinChangeNotification", "iothub-message-source": "twinChangeEvents"});
    let grid =
        json!({"eventType": "Microsoft.Devices.DeviceDeleted", "subject": "devices/victim", "data": {}});
    for source in ["Telemetry", "TELEMETRY", "digitalTwinChangeEvents", "deviceConnectionStateEvents", "new"]
    {
        for body in [patch(), grid.clone(), json!([grid])] {
            assert_eq!(one(&body, &properties, &stamped(source)), None, "{source}");
        }
        assert_eq!(one(&grid, &json!({"aeg-event-type": "Notification"}), &stamped(source)), None);
    }
    for name in ["IoTHub-Message-Source", "iothub-message-source "] {
        let system = json!({name.trim(): " Telemetry ", "iothub-connection-device-id": "d"});
        assert_eq!(one(&patch(), &properties, &system), None);
    }
}

#[test]
fn properties_named_like_the_hubs_own_hide_neither_whose_event_it_is_nor_what_nor_when() {
    let hint = one(&patch(), &hiding(), &stamped("twinChangeEvents")).unwrap();
    assert_eq!((hint.identity.to_string().as_str(), hint.hub.as_deref()), ("d", Some("west")));
    assert_eq!(hint.kind, HintKind::Twin { replaced: false });
    assert!(!hint.writes.tags.is_empty());
    assert_eq!(hint.occurred, "2026-07-01T08:00:01Z".parse().ok());

    let whole =
        json!({"deviceId": "d", "etag": "x", "version": 3, "properties": {"desired": {}, "reported": {}}});
    let hint = one(&whole, &hiding(), &stamped("twinChangeEvents")).unwrap();
    assert_eq!(hint.kind, HintKind::Twin { replaced: true });

    let hint = one(&whole, &hiding(), &stamped("deviceLifecycleEvents")).unwrap();
    assert_eq!((hint.kind, hint.writes.is_empty()), (HintKind::Lifecycle, true));
}

#[test]
fn an_operation_counts_only_where_it_can_be_of_the_stamped_source() {
    let table = [
        ("twinChangeEvents", "replaceTwin", HintKind::Twin { replaced: true }),
        ("twinChangeEvents", "updateTwin", HintKind::Twin { replaced: false }),
        ("twinChangeEvents", "deleteDeviceIdentity", HintKind::Twin { replaced: false }),
        ("deviceLifecycleEvents", "createModuleIdentity", HintKind::Created),
        ("deviceLifecycleEvents", "DELETEDEVICEIDENTITY", HintKind::Deleted),
        ("deviceLifecycleEvents", "replaceTwin", HintKind::Lifecycle),
    ];
    for (source, operation, kind) in table {
        let hint = one(&patch(), &json!({"opType": operation, "hubName": "west"}), &stamped(source)).unwrap();
        assert_eq!(hint.kind, kind, "{source} {operation}");
    }
}

#[test]
fn the_identity_is_the_stamped_one_and_else_that_of_the_properties_and_else_that_of_the_body() {
    let (device, module) = ("iothub-connection-device-id", "iothub-connection-module-id");
    let table = [
        (
            json!({device: "d", module: "m"}),
            json!({"deviceId": "e", "moduleId": "n"}),
            json!({}),
            Some("d/m"),
        ),
        (json!({device: "d"}), json!({"deviceId": "e", "moduleId": "n"}), json!({}), Some("d")),
        (json!({device: "d", module: ""}), json!({"moduleId": "n"}), json!({}), Some("d")),
        (json!({device: "d"}), json!({}), json!({"deviceId": "d", "moduleId": "m"}), Some("d/m")),
        (json!({}), json!({"deviceId": "e", "moduleId": "n"}), json!({"moduleId": "o"}), Some("e/n")),
        (json!({}), json!({}), json!({"deviceId": "f"}), Some("f")),
        // What the host does not give as a text hides nothing either: nobody can say whose it is.
        (json!({device: {"Length": 1}}), json!({"deviceId": "e"}), json!({}), None),
        (json!({device: "d", module: {"Length": 1}}), json!({"deviceId": "e"}), json!({}), None),
    ];
    for (mut system, mut properties, mut body, expected) in table {
        system["iothub-message-source"] = "twinChangeEvents".into();
        properties["hubName"] = "west".into();
        body["version"] = 3.into();
        let found = all(body.to_string().as_bytes(), &properties, &system);
        let names: Vec<String> =
            found.iter().flatten().flatten().map(|hint| hint.identity.to_string()).collect();
        assert_eq!(names, expected.into_iter().collect::<Vec<_>>(), "{system} {properties} {body}");
    }
}

#[test]
fn the_hubs_name_is_its_user_id_where_the_host_gives_that_as_a_text() {
    let table = [
        (json!("west"), json!("$twin.tags.hubName"), Some("west")),
        (json!("west"), Value::Null, Some("west")),
        (json!("west"), json!("east"), Some("west")),
        (json!({"Length": 4, "IsEmpty": false}), json!("east"), Some("east")),
        (json!("d2VzdA=="), json!("west"), Some("west")),
        (Value::Null, json!("west"), Some("west")),
        (Value::Null, Value::Null, None),
    ];
    for (user, name, expected) in table {
        let mut system = stamped("twinChangeEvents");
        system["user-id"] = user;
        let hint = one(&patch(), &json!({"hubName": name}), &system).unwrap();
        assert_eq!(hint.hub.as_deref(), expected, "{system} {name}");
    }
}

#[test]
fn a_source_that_the_host_did_not_give_as_a_text_is_a_hint_to_look_and_no_more() {
    let system = json!({"iothub-message-source": {"Length": 16}, "iothub-connection-device-id": "d"});
    let properties = json!({"opType": "deleteDeviceIdentity", "deviceId": "victim", "hubName": "west"});
    let hint = one(&patch(), &properties, &system).unwrap();
    assert_eq!((hint.identity.to_string(), hint.writes.is_empty()), ("d".to_owned(), true));
    assert_eq!(hint.kind, HintKind::Twin { replaced: false });
}

#[test]
fn what_event_grid_delivers_is_told_by_its_body_whatever_properties_a_subscription_adds() {
    let event = json!([{"eventType": "Microsoft.Devices.DeviceCreated", "subject": "devices/d", "data": {"hubName": "WEST"}}]);
    let properties = json!({"aeg-event-type": "Notification", "opType": "DeviceCreated", "deviceId": "x"});
    let hint = one(&event, &properties, &json!({"content-type": "application/json"})).unwrap();
    assert_eq!((hint.kind, hint.identity.to_string()), (HintKind::Created, "d".to_owned()));
}

#[test]
fn an_event_that_names_its_identity_is_a_hint_though_its_body_cannot_be_understood() {
    let bodies: [&[u8]; 7] =
        [b"", b"\xff\xfe", br#"{"tags":{"a":"\udc00"}}"#, b"{\"version\":", b"[]", b"7", b"[7]"];
    let twin = HintKind::Twin { replaced: false };
    let table = [
        (stamped("twinChangeEvents"), hiding(), twin.clone()),
        (stamped("deviceLifecycleEvents"), json!({"opType": "deleteDeviceIdentity"}), HintKind::Deleted),
        (stamped("deviceLifecycleEvents"), json!({}), HintKind::Lifecycle),
        (json!({}), json!({"hubName": "west", "deviceId": "d", "opType": "replaceTwin"}), twin.clone()),
        (json!({}), json!({"hubName": "west", "deviceId": "d"}), twin),
    ];
    for (system, properties, kind) in table {
        for body in bodies {
            let found = all(body, &properties, &system);
            let about = String::from_utf8_lossy(body);
            assert!(found.first().is_some_and(Result::is_err), "{about}: {found:?}");
            let hint = found.last().unwrap().clone().unwrap().unwrap();
            assert_eq!((hint.kind, hint.identity.to_string()), (kind.clone(), "d".to_owned()), "{about}");
            assert!(hint.writes.is_empty(), "{about}");
        }
    }
    assert_eq!(all(b"\xff", &json!({}), &stamped("Telemetry")), [Ok(None)]);
    assert_eq!(all(b"", &json!({"hubName": "west"}), &json!({})).len(), 1, "nothing names it");
}

proptest! {
    #[test]
    fn whatever_a_device_sends_its_own_stamp_or_nothing_is_named(
        properties in prop::collection::btree_map(
            prop::sample::select(vec!["deviceId", "moduleId", "hubName", "opType", "iothub-message-source",
                "iothub-message-schema", "iothub-connection-device-id", "aeg-event-type", "operationTimestamp"]),
            prop::sample::select(vec!["victim", "updateTwin", "replaceTwin", "deleteDeviceIdentity", "twinChangeEvents",
                "deviceLifecycleEvents", "twinChangeNotification", "west", "2026-07-01T08:00:00Z", ""]),
            0..9,
        ),
        source in prop::sample::select(vec!["Telemetry", "twinChangeEvents", "deviceLifecycleEvents", ""]),
        body in prop::sample::select(vec![
            r#"{"version":3,"tags":{"a":1}}"#, r#"{"eventType":"Microsoft.Devices.DeviceDeleted","subject":"devices/victim"}"#,
            "", "[]", r#"{"deviceId":"victim","etag":"x","version":3}"#,
        ]),
    ) {
        let properties: Object = properties.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let system = members(&json!({"iothub-message-source": source, "iothub-connection-device-id": "mallory"}));
        for hint in parse(body.as_bytes(), &properties, &system).into_iter().flatten().flatten() {
            prop_assert_ne!(source, "Telemetry");
            // Event Grid stamps no device, and a hub no event of Event Grid.
            let is_grid = source.is_empty() && !hint.ordered;
            prop_assert!(is_grid || hint.identity.to_string() == "mallory", "{hint:?}");
        }
    }
}
