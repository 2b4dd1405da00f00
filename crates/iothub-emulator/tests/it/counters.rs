//! What moves when a twin is written.

use super::*;

#[test]
fn a_new_twin_has_etag_one_and_version_two() {
    assert_eq!(counters(&twin(&hub_with("d"), "d")), [1, 2, 1, 1]);
}

#[test]
fn a_desired_patch_moves_etag_version_and_desired_version() {
    let hub = hub_with("d");
    assert_eq!(counters(&patch(&hub, "d", &json!({"properties": {"desired": {"rate": 5}}}))), [2, 3, 2, 1]);
}

#[test]
fn a_tags_patch_leaves_the_desired_version() {
    let hub = hub_with("d");
    assert_eq!(counters(&patch(&hub, "d", &json!({"tags": {"site": "A"}}))), [2, 3, 1, 1]);
}

#[test]
fn an_identical_write_counts_like_any_other() {
    let hub = hub_with("d");
    let body = json!({"tags": {"site": "A"}, "properties": {"desired": {"rate": 5}}});
    assert_eq!(counters(&patch(&hub, "d", &body)), [2, 3, 2, 1]);
    assert_eq!(counters(&patch(&hub, "d", &body)), [3, 4, 3, 1]);
}

#[test]
fn a_report_moves_the_version_but_not_the_etag() {
    let hub = hub_with("d");
    assert_eq!(hub.patch_reported(&Id::device("d"), json!({"fw": "1.2"}), None).unwrap(), 2);
    assert_eq!(counters(&twin(&hub, "d")), [1, 3, 1, 2]);
}

#[test]
fn a_report_with_the_wrong_expected_version_changes_nothing() {
    let hub = hub_with("d");
    let refused = hub.patch_reported(&Id::device("d"), json!({"fw": "1.2"}), Some(7)).unwrap_err();
    assert_eq!(refused.code.status(), 412);
    assert_eq!(hub.patch_reported(&Id::device("d"), json!({"fw": "1.2"}), Some(1)).unwrap(), 2);
}

#[test]
fn reported_and_read_only_members_in_a_service_patch_are_ignored() {
    let hub = hub_with("d");
    let body = json!({"deviceId": "other", "version": 99, "properties": {
        "desired": {"rate": 1, "$version": 40, "$metadata": {"$lastUpdated": "2020"}}, "reported": {"probe": 1}}});
    let twin = patch(&hub, "d", &body);
    assert_eq!(counters(&twin), [2, 3, 2, 1]);
    assert_eq!(twin["deviceId"], "d");
    assert_eq!(twin["properties"]["reported"].get("probe"), None);
}

#[test]
fn null_deletes_a_member_with_its_metadata_and_an_empty_object_stays() {
    let hub = hub_with("d");
    patch(&hub, "d", &json!({"properties": {"desired": {"a": {"b": 1}, "c": 2}}}));
    let twin = patch(&hub, "d", &json!({"properties": {"desired": {"a": {"b": null}, "c": null}}}));
    let desired = &twin["properties"]["desired"];
    assert_eq!((&desired["a"], desired.get("c")), (&json!({}), None));
    assert_eq!((desired["$metadata"]["a"].get("b"), desired["$metadata"].get("c")), (None, None));
}

#[test]
fn metadata_says_in_which_version_each_member_was_written() {
    let hub = hub_with("d");
    patch(&hub, "d", &json!({"properties": {"desired": {"a": {"b": 1}, "c": 2}}}));
    let twin = patch(&hub, "d", &json!({"properties": {"desired": {"a": {"d": 1}}}}));
    let metadata = &twin["properties"]["desired"]["$metadata"];
    let version = |node: &Value| node["$lastUpdatedVersion"].as_u64();
    let seen =
        [&metadata["a"]["b"], &metadata["a"]["d"], &metadata["a"], &metadata["c"], metadata].map(version);
    assert_eq!(seen, [Some(2), Some(3), Some(3), Some(2), Some(3)]);
}

#[test]
fn a_replacement_leaves_nothing_else() {
    let hub = hub_with("d");
    patch(&hub, "d", &json!({"tags": {"site": "A"}, "properties": {"desired": {"a": 1}}}));
    let body = json!({"properties": {"desired": {"b": 2}}});
    let twin = write_twin(&hub, "d", TwinVerb::Replace, &body);
    assert_eq!((twin.get("tags"), twin["properties"]["desired"].get("a")), (None, None));
    assert_eq!(counters(&twin), [3, 4, 3, 1]);
}

#[tokio::test]
async fn a_connected_device_hears_null_for_what_a_replacement_removed() {
    let hub = hub_with("d");
    patch(&hub, "d", &json!({"properties": {"desired": {"a": {"x": 1, "y": 2}, "b": 2}}}));
    let mut heard = hub.subscribe_desired(&Id::device("d"));
    write_twin(&hub, "d", TwinVerb::Replace, &json!({"properties": {"desired": {"a": {"x": 3}}}}));
    let heard = heard.try_recv().unwrap();
    assert_eq!(
        (heard.version, Value::Object((*heard.patch).clone())),
        (3, json!({"a": {"x": 3, "y": null}, "b": null}))
    );
}

#[test]
fn numbers_keep_their_spelling() {
    let hub = hub_with("d");
    let body =
        serde_json::from_str(r#"{"tags": {"a": 1.0, "b": 1, "c": 0.10, "d": 12345678901234567890.5}}"#)
            .unwrap();
    let twin = patch(&hub, "d", &body).to_string();
    assert!(twin.contains(r#""a":1.0,"b":1,"c":0.10,"d":12345678901234567890.5"#), "{twin}");
}

#[test]
fn null_in_place_of_a_section_clears_it_and_counts_as_a_write_of_it() {
    let hub = hub_with("d");
    patch(&hub, "d", &json!({"tags": {"a": 1}, "properties": {"desired": {"b": {"c": 1}, "d": 2}}}));
    let cleared = patch(&hub, "d", &json!({"properties": {"desired": null}}));
    let desired = cleared["properties"]["desired"].as_object().unwrap();
    assert_eq!(desired.keys().collect::<Vec<_>>(), ["$metadata", "$version"]);
    assert_eq!(desired["$metadata"].as_object().unwrap().len(), 2, "{desired:?}");
    assert_eq!((counters(&cleared), &cleared["tags"]), ([3, 4, 3, 1], &json!({"a": 1})));
    let cleared = patch(&hub, "d", &json!({"tags": null}));
    assert_eq!((counters(&cleared), cleared.get("tags")), ([4, 5, 3, 1], None));
    let again = patch(&hub, "d", &json!({"tags": null, "properties": {"desired": null}}));
    assert_eq!(counters(&again), [5, 6, 4, 1], "values are not compared");
}

#[test]
fn null_in_place_of_a_section_does_nothing_where_that_is_switched_off() {
    let hub = hub_with("d");
    hub.switches().set("nullClearsSection", false).unwrap();
    patch(&hub, "d", &json!({"tags": {"a": 1}, "properties": {"desired": {"b": 1}}}));
    let twin = patch(&hub, "d", &json!({"tags": null, "properties": {"desired": null}}));
    assert_eq!((counters(&twin), &twin["tags"]), ([2, 3, 2, 1], &json!({"a": 1})));
}
