//! `POST /devices`.

use super::*;

fn item(id: &str, mode: &str) -> Value {
    json!({"id": id, "importMode": mode, "status": "enabled"})
}

#[test]
fn one_failing_item_is_named_and_the_others_are_applied() {
    let hub = hub_with("old");
    let (successful, body) = hub.bulk(&json!([item("new", "create"), item("old", "create")])).unwrap();
    assert!(!successful);
    assert_eq!(body["errors"][0]["deviceId"], "old");
    assert_eq!(body["errors"][0]["errorCode"], "DeviceAlreadyExists");
    assert!(hub.get_device("new").is_ok());
}

#[test]
fn names_and_modes_are_read_in_any_case() {
    let hub = hub_with("d");
    let etag = hub.get_device("d").unwrap()["etag"].clone();
    let delete = json!([{"ID": "d", "ImportMode": "DeleteIfMatchETag", "etag": etag}]);
    assert!(hub.bulk(&delete).unwrap().0);
    assert!(hub.get_device("d").is_err());
}

#[test]
fn a_plain_delete_ignores_the_etag_and_a_conditional_one_without_an_etag_succeeds() {
    let hub = hub_with("a");
    hub.put_device("b", &json!({}), &Precondition::Absent).unwrap();
    let stale = json!({"id": "a", "importMode": "delete", "eTag": "stale"});
    assert!(hub.bulk(&json!([stale, item("b", "deleteIfMatchETag")])).unwrap().0);
}

#[test]
fn conditional_modes_refuse_a_stale_etag() {
    let hub = hub_with("d");
    for mode in ["updateIfMatchETag", "deleteIfMatchETag", "updateTwinIfMatchETag"] {
        let call = json!([{"id": "d", "importMode": mode, "eTag": "stale", "twinETag": "AAAAAAAAAAk=", "tags": {"n": 1}}]);
        let (successful, body) = hub.bulk(&call).unwrap();
        assert_eq!(
            (successful, &body["errors"][0]["errorCode"]),
            (false, &json!("PreconditionFailed")),
            "{mode}"
        );
    }
}

#[test]
fn a_device_created_with_a_twin_starts_all_counters_at_one() {
    let hub = hub();
    let mut create = item("d", "create");
    create["tags"] = json!({"site": "A"});
    create["properties"] = json!({"desired": {"rate": 5}, "reported": {"fw": 1}});
    assert!(hub.bulk(&json!([create])).unwrap().0);
    let twin = twin(&hub, "d");
    assert_eq!(counters(&twin), [1, 2, 1, 1]);
    assert_eq!(twin["properties"]["reported"]["fw"], 1);
    let metadata = &twin["properties"]["desired"]["$metadata"];
    assert_eq!(
        (&metadata["$lastUpdated"], &metadata["$lastUpdatedVersion"]),
        (&json!("0001-01-01T00:00:00Z"), &json!(1))
    );
}

#[test]
fn update_twin_merges_tags_and_leaves_the_identity_alone() {
    let hub = hub_with("d");
    let before = hub.get_device("d").unwrap();
    patch(&hub, "d", &json!({"tags": {"a": 1}}));
    let call = json!([{"id": "d", "importMode": "updateTwin", "status": "disabled", "authentication": null,
        "tags": {"b": 2}, "properties": {"reported": {"fw": 1}}}]);
    assert!(hub.bulk(&call).unwrap().0);
    assert_eq!(hub.get_device("d").unwrap(), before);
    let twin = twin(&hub, "d");
    assert_eq!((&twin["tags"], counters(&twin)), (&json!({"a": 1, "b": 2}), [3, 4, 1, 1]));
}

#[test]
fn a_module_needs_a_device_that_was_there_before() {
    let hub = hub_with("d");
    let module =
        |device: &str| json!({"id": device, "moduleId": "m", "importMode": "create", "status": "enabled"});
    let (successful, body) = hub.bulk(&json!([module("d"), module("missing")])).unwrap();
    assert!(!successful && hub.get_module("d", "m").is_ok());
    assert_eq!(body["errors"][0]["errorCode"], "DeviceNotFound");
}

#[test]
fn more_than_a_hundred_items_and_the_same_id_twice_are_refused_as_a_whole() {
    let hub = hub();
    let many: Vec<Value> = (0..101).map(|n| item(&format!("d{n}"), "create")).collect();
    assert_eq!(hub.bulk(&Value::Array(many)).unwrap_err().code.status(), 413);
    let twice = json!([item("d", "create"), item("d", "create")]);
    assert_eq!(hub.bulk(&twice).unwrap_err().code.number(), 400_011);
    assert_eq!(hub.count_devices().0, 0);
}
