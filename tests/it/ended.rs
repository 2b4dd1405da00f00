//! What was written to an identity after its end on the other hub goes with it, and is named.

use serde_json::{Value, json};

use crate::switching::{busy, is_in_sync, until_closing, with_a_copy};
use crate::world::World;
use crate::world::handler::Handler;
use crate::world::hub::Hub;
use crate::world::news::quick;

async fn told(world: &World, handler: &Handler, hub: &Hub) {
    let event = world.last_told(hub, "x").await;
    world.hand_over(handler, "devicetwin", &[event]).await;
}

/// What is named of an identity: the paths, with their sections.
async fn named(world: &World, id: &str) -> Vec<String> {
    let reports = world.app_json(&["losses", "list", "--json"]).await;
    let of_it = |report: &&Value| {
        let identity = &report["identity"];
        let module = identity["moduleId"].as_str().map(|module| format!("/{module}")).unwrap_or_default();
        identity["deviceId"].as_str().map(|device| format!("{device}{module}")).as_deref() == Some(id)
    };
    let losses =
        reports.as_array().unwrap().iter().filter(of_it).flat_map(|r| r["losses"].as_array().unwrap());
    let line = |loss: &Value| {
        let path: Vec<&str> = loss["path"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        format!("{} {}", loss["section"].as_str().unwrap(), path.join("."))
    };
    let mut all: Vec<String> = losses.map(line).collect();
    all.sort();
    all
}

/// A tag and a desired property of this name.
fn both(name: &str) -> Value {
    json!({"tags": {name: 1}, "properties": {"desired": {name: 1}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_former_hub_took_for_a_device_that_was_deleted_on_the_active_one_before_is_named() {
    let (mut world, handler) = with_a_copy("x", quick()).await;
    world.primary.patch_twin("x", both("old")).await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    world.secondary.delete("x").await;
    told(&world, &handler, &world.secondary).await;
    world.primary.patch_twin("x", both("later")).await;
    told(&world, &handler, &world.primary).await;
    world.until_in_sync(handler).await;
    assert!(world.primary.device("x").await.is_none() && world.secondary.device("x").await.is_none());
    assert_eq!(named(&world, "x").await, ["desired later", "tags later"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_wrote_to_the_modules_of_a_device_whose_deletion_is_heard_only_then_is_named() {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.primary.create_module("x", "m").await;
    world.primary.patch_twin("x/m", both("old")).await;
    world.hand_over_all(&handler).await;
    world.primary.delete("x").await;
    let deleted = world.last_told(&world.primary, "x").await;
    world.promote("secondary", &[]).await;
    world.secondary.patch_twin("x/m", json!({"properties": {"desired": {"later": 1}}})).await;
    world.secondary.create_module("x", "new").await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(world.secondary.device("x").await.is_none());
    assert_eq!(named(&world, "x/m").await, ["desired later"]);
    assert_eq!(named(&world, "x/new").await, ["registry "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_wrote_to_a_device_that_was_made_again_before_its_deletion_was_heard_is_named() {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.patch_twin("x", both("n")).await;
    let late = world.last_told(&world.primary, "x").await;
    world.secondary.delete("x").await;
    let deleted = world.last_told(&world.secondary, "x").await;
    world.hand_over(&handler, "devicetwin", &[late]).await;
    assert!(world.secondary.device("x").await.is_some(), "nobody knows of the deletion yet");
    world.secondary.patch_twin("x", json!({"properties": {"desired": {"later": 1}}})).await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(world.secondary.device("x").await.is_none());
    assert_eq!(named(&world, "x").await, ["desired later"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_on_the_former_hub_while_the_comparison_closes_is_not_deleted_for_its_life_before()
 {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.promote("secondary", &[]).await;
    world.primary.delete("x").await;
    told(&world, &handler, &world.primary).await;
    assert!(world.secondary.device("x").await.is_none());
    told(&world, &handler, &world.secondary).await;
    until_closing(&world, &handler).await;
    let made = world.primary.create("x").await;
    world.eventually("in sync", async || is_in_sync(&world).await).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let left = world.primary.device("x").await;
    assert!(
        left.is_some_and(|left| left["generationId"] == made["generationId"]),
        "{:?}",
        world.pending().await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_former_hub_took_for_the_modules_of_a_device_that_was_deleted_on_the_active_one_is_named() {
    let (mut world, handler) = with_a_copy("x", quick()).await;
    world.primary.create_module("x", "m").await;
    world.primary.patch_twin("x/m", both("old")).await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    world.secondary.delete("x").await;
    told(&world, &handler, &world.secondary).await;
    world.primary.patch_twin("x/m", both("later")).await;
    world.primary.create_module("x", "new").await;
    world.until_in_sync(handler).await;
    assert!(world.primary.device("x").await.is_none() && world.secondary.device("x").await.is_none());
    assert_eq!(named(&world, "x/m").await, ["desired later", "tags later"]);
    assert_eq!(named(&world, "x/new").await, ["registry "]);
}
