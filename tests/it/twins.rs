//! Device twins are copied one way: tags, desired and reported.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_three_devices_in_one_batch_go_each_to_its_own_device() {
    let world = World::start().await;
    for device in ["a", "b", "c"] {
        world.primary.create(device).await;
    }
    world.settle().await;
    world.host_post("/pause").await;
    for device in ["a", "b", "c"] {
        world.primary.patch_twin(device, json!({"properties": {"desired": {"mine": device}}})).await;
    }
    world.host_post("/resume").await;
    world.settle().await;
    for device in ["a", "b", "c"] {
        assert_eq!(world.secondary.twin(device).await.unwrap()["properties"]["desired"]["mine"], device);
    }
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_twin_change_causes_exactly_one_write_and_its_echo_none() {
    let world = World::start().await;
    world.primary.create("quiet").await;
    world.settle().await;
    world.primary.forget_requests().await;
    world.secondary.forget_requests().await;
    world.primary.patch_twin("quiet", json!({"tags": {"a": 1}, "properties": {"desired": {"b": 2}}})).await;
    world.settle().await;
    assert_eq!(world.secondary.writes().await, ["PATCH /twins/quiet"]);
    assert_eq!(world.primary.writes().await, ["PATCH /twins/quiet"], "only the operator's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identical_change_is_not_written_again() {
    let world = World::start().await;
    world.primary.create("same").await;
    world.primary.patch_twin("same", json!({"tags": {"a": 1}})).await;
    world.settle().await;
    world.secondary.forget_requests().await;
    world.primary.patch_twin("same", json!({"tags": {"a": 1}})).await;
    world.settle().await;
    assert!(world.secondary.writes().await.is_empty(), "{:?}", world.secondary.writes().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_tags_only_needs_no_properties_in_its_event() {
    let world = World::start().await;
    world.primary.create("tagged").await;
    world.settle().await;
    world.primary.patch_twin("tagged", json!({"tags": {"site": "B"}})).await;
    world.settle().await;
    assert_eq!(world.secondary.twin("tagged").await.unwrap()["tags"], json!({"site": "B"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_keys_are_removed_and_a_removed_last_child_leaves_an_empty_object() {
    let world = World::start().await;
    world.primary.create("shrinking").await;
    let full = json!({"tags": {"a": {"x": 1, "y": 2}, "b": 3}, "properties": {"desired": {"list": [1, 2, 3], "only": {"child": 1}}}});
    world.primary.patch_twin("shrinking", full).await;
    world.settle().await;
    let less = json!({"tags": {"a": {"x": null}, "b": null}, "properties": {"desired": {"list": [3], "only": {"child": null}}}});
    world.primary.patch_twin("shrinking", less).await;
    world.settle().await;
    let twin = world.secondary.twin("shrinking").await.unwrap();
    assert_eq!(twin["tags"], json!({"a": {"y": 2}}));
    assert_eq!(twin["properties"]["desired"]["list"], json!([3]));
    assert_eq!(twin["properties"]["desired"]["only"], json!({}));
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_twin_loses_what_the_replacement_does_not_name() {
    let world = World::start().await;
    world.primary.create("replaced").await;
    world
        .primary
        .patch_twin("replaced", json!({"tags": {"old": 1}, "properties": {"desired": {"old": 1}}}))
        .await;
    world.settle().await;
    world
        .primary
        .replace_twin("replaced", json!({"tags": {"new": 1}, "properties": {"desired": {"new": 1}}}))
        .await;
    world.settle().await;
    let twin = world.secondary.twin("replaced").await.unwrap();
    assert_eq!(twin["tags"], json!({"new": 1}));
    assert!(twin["properties"]["desired"].get("old").is_none());
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_changes_of_one_device_in_one_batch_are_one_write_of_the_last_state() {
    let world = World::start().await;
    world.primary.create("busy").await;
    world.settle().await;
    world.host_post("/pause").await;
    for n in 0..20 {
        world.primary.patch_twin("busy", json!({"properties": {"desired": {"n": n}}})).await;
    }
    world.secondary.forget_requests().await;
    world.host_post("/resume").await;
    world.settle().await;
    assert_eq!(world.secondary.twin("busy").await.unwrap()["properties"]["desired"]["n"], 19);
    let writes = world.secondary.writes().await;
    assert!(writes.len() <= 3, "batches may be cut, but not into {writes:?}");
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_keep_their_spelling() {
    let world = World::start().await;
    world.primary.create("exact").await;
    let desired = r#"{"properties":{"desired":{"whole":1,"point":1.0,"big":4503599627370495,"small":0.1000000000000000055}}}"#;
    world.primary.patch_twin("exact", serde_json::from_str(desired).unwrap()).await;
    world.settle().await;
    let twin = world.secondary.twin("exact").await.unwrap().to_string();
    for text in [r#""whole":1}"#, r#""point":1.0"#, r#""big":4503599627370495"#, "0.1000000000000000055"] {
        assert!(twin.contains(text), "{text} in {twin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_event_before_the_create_event_of_its_device_creates_it() {
    let world = World::start().await;
    world.events(json!({"eventHub": "registry", "mode": "hold", "times": 1})).await;
    world.events(json!({"eventHub": "devicetwin", "mode": "drop", "times": 1})).await;
    world.primary.create("early").await;
    world.primary.patch_twin("early", json!({"tags": {"early": true}})).await;
    world.settle().await;
    world.assert_hubs_equal().await;
    assert_eq!(world.secondary.twin("early").await.unwrap()["tags"]["early"], true);
    world.release_events("forward").await;
    world.settle().await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicated_events_change_nothing_twice() {
    let world = World::start().await;
    for event_hub in ["registry", "devicetwin"] {
        world.events(json!({"eventHub": event_hub, "mode": "duplicate", "times": 100})).await;
    }
    world.primary.create("twice").await;
    world.primary.patch_twin("twice", json!({"tags": {"n": 1}})).await;
    world.settle().await;
    world.assert_hubs_equal().await;
    let writes = world.secondary.writes().await;
    assert!(writes.len() <= 2, "{writes:?}");
}
