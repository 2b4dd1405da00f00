//! Lives of modules while the roles change: they have keys of their own, and end with their device.

use std::time::Duration;

use serde_json::{Value, json};

use crate::switching::with_a_copy;
use crate::world::World;
use crate::world::handler::Handler;
use crate::world::hub::Hub;
use crate::world::news::quick;

/// Device `x` with module `m` on both hubs; the secondary one is active now.
async fn with_a_module() -> (World, Handler) {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.primary.create_module("x", "m").await;
    world.hand_over_all(&handler).await;
    assert!(has_module(&world.secondary).await);
    world.promote("secondary", &[]).await;
    (world, handler)
}

async fn has_module(hub: &Hub) -> bool {
    hub.fleet().await.contains_key("x/m")
}

/// The newest event that a hub told of the device or of its module.
async fn told(world: &World, handler: &Handler, hub: &Hub) {
    let event = world.last_told(hub, "x").await;
    world.hand_over(handler, "devicetwin", &[event]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_of_a_module_does_not_bring_its_device_back_that_the_active_hub_has_deleted() {
    let (mut world, handler) = with_a_module().await;
    world.primary.patch_twin("x/m", json!({"tags": {"late": 1}})).await;
    let late = world.last_told(&world.primary, "x").await;
    world.secondary.delete("x").await;
    told(&world, &handler, &world.secondary).await;
    world.hand_over(&handler, "devicetwin", &[late]).await;
    assert!(
        world.secondary.device("x").await.is_none(),
        "its deletion has been heard: {:?}",
        world.pending().await
    );
    world.until_in_sync(handler).await;
    let there = (world.primary.device("x").await.is_some(), world.secondary.device("x").await.is_some());
    assert_eq!(there, (false, false), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_of_a_module_does_not_bring_it_back_to_a_device_that_a_client_made_again() {
    let (mut world, handler) = with_a_module().await;
    world.primary.patch_twin("x/m", json!({"tags": {"late": 1}})).await;
    let late = world.last_told(&world.primary, "x").await;
    for again in [false, true] {
        match again {
            false => world.secondary.delete("x").await,
            true => drop(world.secondary.create("x").await),
        }
        told(&world, &handler, &world.secondary).await;
    }
    world.hand_over(&handler, "devicetwin", &[late]).await;
    let back = has_module(&world.secondary).await;
    world.until_in_sync(handler).await;
    let there = (has_module(&world.primary).await, has_module(&world.secondary).await);
    assert_eq!((back, there), (false, (false, false)), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_made_again_on_the_former_hub_has_its_new_keys_on_both() {
    let (mut world, handler) = with_a_module().await;
    let before = world.log("devicetwin", 0).await.len();
    world.primary.delete_module("x", "m").await;
    let made = world.primary.create_module("x", "m").await;
    let lives = world.log("devicetwin", 0).await.split_off(before);
    world.hand_over(&handler, "devicetwin", &lives).await;
    world.until_in_sync(handler).await;
    let keys = |fleet: &std::collections::BTreeMap<String, Value>| {
        fleet["x/m"]["authentication"]["symmetricKey"].clone()
    };
    let both = [keys(&world.primary.fleet().await), keys(&world.secondary.fleet().await)];
    let new = &made["authentication"]["symmetricKey"];
    assert!(
        both == [new.clone(), new.clone()],
        "the keys of its second life: {:?}",
        both.map(|keys| keys == *new)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_made_again_before_its_deletion_is_heard_goes_when_that_is_heard() {
    let (mut world, handler) = with_a_module().await;
    world.primary.patch_twin("x/m", json!({"tags": {"late": 1}})).await;
    let late = world.last_told(&world.primary, "x").await;
    world.secondary.delete_module("x", "m").await;
    let gone = world.last_told(&world.secondary, "x").await;
    world.hand_over(&handler, "devicetwin", &[late]).await;
    world.hand_over(&handler, "devicetwin", &[gone]).await;
    assert!(!has_module(&world.secondary).await, "{:?}", world.pending().await);
    world.until_in_sync(handler).await;
    let there = (has_module(&world.primary).await, has_module(&world.secondary).await);
    assert_eq!(there, (false, false), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_was_brought_over_in_a_second_life_and_is_deleted_there_stays_deleted() {
    let (world, handler) = with_a_module().await;
    world.primary.delete_module("x", "m").await;
    told(&world, &handler, &world.primary).await;
    assert!(!has_module(&world.secondary).await);
    world.primary.create_module("x", "m").await;
    told(&world, &handler, &world.primary).await;
    assert!(has_module(&world.secondary).await);
    world.secondary.delete_module("x", "m").await;
    told(&world, &handler, &world.secondary).await;
    assert!(!has_module(&world.secondary).await, "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_of_a_device_that_is_made_again_on_the_former_hub_ends_with_the_life_before() {
    let (mut world, handler) = with_a_module().await;
    let before = world.log("devicetwin", 0).await.len();
    world.primary.delete("x").await;
    world.primary.create("x").await;
    world.primary.create_module("x", "new").await;
    let mut lives = world.log("devicetwin", 0).await.split_off(before);
    // Nothing says so of the module.
    lives.retain(|event| event["properties"]["moduleId"] != "m");
    world.hand_over(&handler, "devicetwin", &lives).await;
    world.app(&["pending", "retry"]).await;
    let left = has_module(&world.secondary).await;
    world.until_in_sync(handler).await;
    let there = (has_module(&world.primary).await, has_module(&world.secondary).await);
    assert_eq!((left, there), (false, (false, false)), "{:?}", world.pending().await);
    for hub in [&world.primary, &world.secondary] {
        assert!(hub.fleet().await.contains_key("x/new"), "{}", hub.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_ends_with_its_device_also_where_that_was_disabled_and_its_modules_could_not_be_listed() {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.primary.create_module("x", "m").await;
    world.hand_over_all(&handler).await;
    world.primary.update("x", json!({"status": "disabled"})).await;
    world.primary.patch_twin("x", json!({"tags": {"n": 1}})).await;
    world.hand_over_all(&handler).await;
    assert!(has_module(&world.secondary).await);
    assert_eq!(world.secondary.fleet().await["x"]["status"], "disabled");
    world.promote("secondary", &[]).await;
    let before = world.log("devicetwin", 0).await.len();
    world.primary.delete("x").await;
    world.primary.create("x").await;
    let mut world = world;
    let mut lives = world.log("devicetwin", 0).await.split_off(before);
    lives.retain(|event| event["properties"]["moduleId"] != "m");
    world.hand_over(&handler, "devicetwin", &lives).await;
    world.app(&["pending", "retry"]).await;
    assert_eq!(world.secondary.fleet().await["x"]["status"], "enabled");
    let left = has_module(&world.secondary).await;
    world.until_in_sync(handler).await;
    let there = (has_module(&world.primary).await, has_module(&world.secondary).await);
    assert_eq!((left, there), (false, (false, false)), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_could_not_be_made_with_its_device_on_the_active_hub_is_made_later() {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    let before = world.log("devicetwin", 0).await.len();
    world.primary.create("two").await;
    world.primary.create_module("two", "m").await;
    let made = world.log("devicetwin", 0).await.split_off(before);
    let denied =
        json!({"method": "PUT", "pathContains": "/devices/two/modules", "status": 401, "times": 1_000_000});
    world.secondary.fault(denied).await;
    world.hand_over(&handler, "devicetwin", &made).await;
    assert!(world.secondary.device("two").await.is_some(), "{:?}", world.pending().await);
    let own = world.told("devicetwin", &world.secondary, "two").await;
    world.hand_over(&handler, "devicetwin", &own).await;
    world.secondary.clear_faults().await;
    world.app(&["pending", "retry"]).await;
    assert!(world.secondary.fleet().await.contains_key("two/m"), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_was_made_again_and_cannot_be_looked_at_goes_when_its_deletion_is_heard() {
    let (mut world, handler) = with_a_module().await;
    world.primary.patch_twin("x/m", json!({"tags": {"late": 1}})).await;
    let late = world.last_told(&world.primary, "x").await;
    world.secondary.delete_module("x", "m").await;
    let gone = world.last_told(&world.secondary, "x").await;
    // Before it is made it is looked at twice.
    let absent = json!({"Message": "ErrorCode:ModuleNotFound;x", "ExceptionMessage": "Tracking ID:0"});
    for (status, times) in [(404, 2), (401, 1_000_000)] {
        let answer = json!({"method": "GET", "pathContains": "/twins/x/modules/m", "status": status, "times": times, "body": absent});
        world.secondary.fault(answer).await;
    }
    world.hand_over(&handler, "devicetwin", &[late]).await;
    assert!(has_module(&world.secondary).await, "the schedule");
    world.secondary.clear_faults().await;
    world.hand_over(&handler, "devicetwin", &[gone]).await;
    assert!(!has_module(&world.secondary).await, "{:?}", world.pending().await);
    world.until_in_sync(handler).await;
    let there = (has_module(&world.primary).await, has_module(&world.secondary).await);
    assert_eq!(there, (false, false), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_deleted_while_a_module_of_it_is_brought_over_is_gone_on_both_with_the_module() {
    let (mut world, handler) = with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.create_module("x", "m").await;
    let created = [world.last_told(&world.primary, "x").await];
    // Its device is looked at between these two.
    let slow = json!({"method": "GET", "pathContains": "/twins/x/modules/m", "delayMs": 900, "times": 2});
    world.primary.fault(slow).await;
    world.secondary.forget_requests().await;
    let brought_over = world.hand_over(&handler, "devicetwin", &created);
    let deleted = async {
        let has_looked = async || {
            let is_device = |request: &Value| request["path"] == "/twins/x";
            world.secondary.requests().await.iter().any(is_device)
        };
        world.eventually("the device is looked at", has_looked).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.secondary.delete("x").await;
    };
    tokio::join!(brought_over, deleted);
    let deleted = world.told("devicetwin", &world.secondary, "x").await;
    world.hand_over(&handler, "devicetwin", &deleted).await;
    world.until_in_sync(handler).await;
    let there = (world.primary.device("x").await.is_some(), world.secondary.device("x").await.is_some());
    assert_eq!(there, (false, false), "{:?}", world.pending().await);
}
