//! A client that clears tags and desired properties at once, by `null` in the place of the section.

use serde_json::{Value, json};

use crate::world::World;
use crate::world::handler::{Handler, with_a_device};
use crate::world::hub::Hub;
use crate::world::news::quick;

fn full() -> Value {
    json!({"tags": {"a": 1, "b": {"c": 2}}, "properties": {"desired": {"d": 3, "e": {"f": 4}}}})
}

fn nothing() -> Value {
    json!({"tags": null, "properties": {"desired": null}})
}

/// Whether events say `null` for a section, as the patch did, or for each of its members.
const EVENTS: [bool; 2] = [true, false];

async fn with_events(world: &World, null_sections: bool) {
    let url = format!("{}/switches", world.control);
    let set = json!({"twinEventsCarryNullSections": null_sections});
    let answer = world.http.post(url).json(&set).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// Tags and desired properties.
async fn sections(hub: &Hub, id: &str) -> [Value; 2] {
    let device = hub.fleet().await.remove(id).unwrap();
    [device["tags"].clone(), device["desired"].clone()]
}

/// A world in which this device is full and equal on both hubs.
async fn with_a_full_copy(null_sections: bool) -> (World, Handler) {
    let world = with_a_device("x", quick()).await;
    with_events(&world, null_sections).await;
    world.primary.patch_twin("x", full()).await;
    let handler = world.handler("a").await;
    world.hand_over_all(&handler).await;
    assert_eq!(sections(&world.secondary, "x").await[0], full()["tags"]);
    (world, handler)
}

async fn clears(world: &World, handler: &Handler, hub: &Hub) {
    hub.patch_twin("x", nothing()).await;
    let event = world.last_told(hub, "x").await;
    world.hand_over(handler, "devicetwin", &[event]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_section_is_cleared_on_the_standby_by_one_write() {
    let world = World::start().await;
    world.primary.create("x").await;
    world.primary.patch_twin("x", full()).await;
    world.settle().await;
    world.secondary.forget_requests().await;
    world.primary.patch_twin("x", nothing()).await;
    world.settle().await;
    assert_eq!(world.secondary.writes().await, ["PATCH /twins/x"]);
    assert_eq!(sections(&world.secondary, "x").await, [json!({}), json!({})]);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_section_is_cleared_on_the_standby_while_the_active_hub_cannot_be_read() {
    for null_sections in EVENTS {
        let (world, handler) = with_a_full_copy(null_sections).await;
        world.primary.patch_twin("x", nothing()).await;
        world.primary.outage("refuse").await;
        let event = world.last_told(&world.primary, "x").await;
        world.hand_over(&handler, "devicetwin", &[event]).await;
        let copy = sections(&world.secondary, "x").await;
        assert_eq!(copy, [json!({}), json!({})], "{null_sections} {:?}", world.pending().await);
        world.primary.outage("off").await;
        let retried = world.app(&["pending", "retry"]).await;
        assert_eq!(retried.code, 0, "{retried:?}");
        world.assert_hubs_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_clears_on_the_former_hub_while_it_rejoins_is_gone_on_both() {
    for null_sections in EVENTS {
        let (mut world, handler) = with_a_full_copy(null_sections).await;
        world.promote("secondary", &[]).await;
        clears(&world, &handler, &world.primary).await;
        world.until_in_sync(handler).await;
        world.assert_hubs_equal().await;
        assert_eq!(sections(&world.secondary, "x").await, [json!({}), json!({})], "{null_sections}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_clears_on_the_active_hub_while_the_other_rejoins_is_gone_on_both() {
    for null_sections in EVENTS {
        let (mut world, handler) = with_a_full_copy(null_sections).await;
        world.promote("secondary", &[]).await;
        clears(&world, &handler, &world.secondary).await;
        world.until_in_sync(handler).await;
        world.assert_hubs_equal().await;
        assert_eq!(sections(&world.primary, "x").await, [json!({}), json!({})], "{null_sections}");
    }
}
