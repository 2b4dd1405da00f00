//! What a former active hub said, and the new active one does not know yet.

use serde_json::{Value, json};

use crate::world::World;
use crate::world::handler::{Handler, with_a_device};
use crate::world::news::quick;

/// The device is on both hubs.
async fn with_a_copy(id: &str) -> (World, Handler) {
    let world = with_a_device(id, quick()).await;
    let handler = world.handler("backlog").await;
    world.hand_over_all(&handler).await;
    (world, handler)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_the_new_active_could_not_take_is_settled_later_and_then_no_longer_pending() {
    let (world, handler) = with_a_copy("back").await;
    world.primary.patch_twin("back", json!({"tags": {"n": 1}})).await;
    world.primary.outage("refuse").await;
    world.promote("secondary", &["--force"]).await;
    let backlog = [world.last_told(&world.primary, "back").await];
    world.secondary.fault(refused_change("back")).await;
    world.hand_over(&handler, "devicetwin", &backlog).await;
    let pending = world.pending().await;
    assert_eq!((pending.len(), pending[0]["reason"].clone()), (1, json!("denied")), "{pending:?}");
    // It needs no hub that is down.
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?} {:?}", world.pending().await);
    assert_eq!(world.secondary.twin("back").await.unwrap()["tags"]["n"], 1);
    assert!(world.pending().await.is_empty());
}

/// A planned promotion, after which the former active hub has a change that the active one lacks.
async fn with_a_straggler(id: &str) -> (World, Handler, Value) {
    let (world, handler) = with_a_copy(id).await;
    world.promote("secondary", &[]).await;
    world.primary.patch_twin(id, json!({"tags": {"n": 1}})).await;
    let event = world.last_told(&world.primary, id).await;
    (world, handler, event)
}

/// The same, after the active hub has refused it once: it is pending.
async fn with_a_pending_backlog(id: &str) -> (World, Handler) {
    let (world, handler, straggler) = with_a_straggler(id).await;
    world.secondary.fault(refused_change(id)).await;
    world.hand_over(&handler, "devicetwin", &[straggler]).await;
    let pending = world.pending().await;
    assert_eq!((pending.len(), pending[0]["reason"].clone()), (1, json!("denied")), "{pending:?}");
    (world, handler)
}

/// A client of the active hub changes tags; the event of it.
async fn live_change(world: &World, id: &str, tags: Value) -> Value {
    world.secondary.patch_twin(id, json!({ "tags": tags })).await;
    world.last_told(&world.secondary, id).await
}

/// The next change of this twin is refused.
fn refused_change(id: &str) -> Value {
    json!({"method": "PATCH", "pathContains": format!("/twins/{id}"), "status": 403, "times": 1})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_change_does_not_take_the_place_of_a_pending_backlog() {
    let (mut world, handler) = with_a_pending_backlog("kept").await;
    // The hub goes on refusing it while its own changes arrive.
    let live = live_change(&world, "kept", json!({"live": true})).await;
    world.secondary.fault(refused_change("kept")).await;
    world.primary.forget_requests().await;
    world.hand_over(&handler, "devicetwin", &[live]).await;
    assert_eq!(world.pending().await.len(), 1);
    assert!(world.primary.writes().await.is_empty(), "nothing is written to a hub that is rejoining");
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?} {:?}", world.pending().await);
    assert_eq!(world.secondary.twin("kept").await.unwrap()["tags"], json!({"n": 1, "live": true}));
    assert!(world.pending().await.is_empty());
    assert!(world.primary.writes().await.is_empty(), "nothing is written to a hub that is rejoining");
    world.until_in_sync(handler).await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_change_settles_a_pending_backlog_first() {
    let (mut world, handler) = with_a_pending_backlog("first").await;
    let live = live_change(&world, "first", json!({"live": true})).await;
    world.hand_over(&handler, "devicetwin", &[live]).await;
    assert_eq!(world.secondary.twin("first").await.unwrap()["tags"], json!({"n": 1, "live": true}));
    assert!(world.pending().await.is_empty());
    world.until_in_sync(handler).await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_of_the_active_hub_what_it_said_is_noted_and_the_batch_is_held() {
    let (world, handler) = with_a_pending_backlog("dark").await;
    let live = [live_change(&world, "dark", json!({"live": true})).await];
    world.secondary.outage("refuse").await;
    assert_eq!(handler.deliver("devicetwin", 0, &live).await.0, 503);
    let note = world.pending().await.remove(0);
    assert!(note["secondary"].to_string().contains("live"), "{note}");
    world.secondary.outage("off").await;
    world.hand_over(&handler, "devicetwin", &live).await;
    world.eventually("settled", async || world.app(&["pending", "retry"]).await.code == 0).await;
    assert_eq!(world.secondary.twin("dark").await.unwrap()["tags"], json!({"n": 1, "live": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_a_device_that_the_new_active_hub_deleted_is_pending_no_more() {
    let (mut world, handler) = with_a_pending_backlog("gone").await;
    world.secondary.delete("gone").await;
    let deleted = world.told("registry", &world.secondary, "gone").await;
    world.hand_over(&handler, "registry", &deleted[deleted.len() - 1..]).await;
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    assert!(world.pending().await.is_empty(), "{:?}", world.pending().await);
    assert!(world.secondary.device("gone").await.is_none());
    assert!(world.primary.device("gone").await.is_some(), "nothing is written to a hub that is rejoining");
    world.until_in_sync(handler).await;
    assert!(world.primary.device("gone").await.is_none() && world.secondary.device("gone").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_is_refused_in_part_does_not_undo_what_the_new_active_hub_said_since() {
    let (mut world, handler) = with_a_copy("part").await;
    let mut device = world.connect(&world.primary, "part").await;
    world.promote("secondary", &[]).await;
    assert_eq!(device.report(&json!({"r": 5})).await, 204);
    world.primary.patch_twin("part", json!({"tags": {"n": 1}})).await;
    drop(device);
    // A disabled device's reported properties cannot be written.
    world.secondary.update("part", json!({"status": "disabled"})).await;
    let said = world.told("devicetwin", &world.primary, "part").await;
    world.hand_over(&handler, "devicetwin", &said[said.len() - 2..]).await;
    assert_eq!(world.pending().await.len(), 1);
    assert_eq!(world.secondary.twin("part").await.unwrap()["tags"]["n"], 1);
    let live = live_change(&world, "part", json!({"n": 9})).await;
    world.hand_over(&handler, "devicetwin", &[live]).await;
    assert_eq!(world.secondary.twin("part").await.unwrap()["tags"]["n"], 9);
    // A device that is disabled may never report again: what it said is named, and nothing waits for it.
    world
        .eventually("what cannot be written is named", async || {
            world.app(&["pending", "retry"]).await;
            let losses = world.app_json(&["losses", "list", "--json"]).await.to_string();
            losses.contains(r#""path":["r"]"#) && world.pending().await.is_empty()
        })
        .await;
    assert_eq!(world.secondary.twin("part").await.unwrap()["tags"]["n"], 9);
    world.secondary.update("part", json!({"status": "enabled"})).await;
    world.until_in_sync(handler).await;
    world.assert_hubs_equal().await;
    assert_eq!(world.secondary.twin("part").await.unwrap()["tags"]["n"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_the_former_hub_and_a_live_one_in_one_batch_are_both_kept() {
    let (mut world, handler, straggler) = with_a_straggler("both").await;
    let live = live_change(&world, "both", json!({"live": true})).await;
    world.secondary.fault(refused_change("both")).await;
    world.hand_over(&handler, "devicetwin", &[straggler, live]).await;
    let pending = world.pending().await;
    assert_eq!((pending.len(), pending[0]["reason"].clone()), (1, json!("denied")), "{pending:?}");
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    assert_eq!(world.secondary.twin("both").await.unwrap()["tags"], json!({"n": 1, "live": true}));
    world.until_in_sync(handler).await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_delivered_again_does_not_undo_what_the_new_active_hub_said_since() {
    let (mut world, handler, straggler) = with_a_straggler("since").await;
    let straggler = [straggler];
    world.hand_over(&handler, "devicetwin", &straggler).await;
    assert_eq!(world.secondary.twin("since").await.unwrap()["tags"]["n"], 1);
    // Its event is not there yet.
    let live = [live_change(&world, "since", json!({"n": 2})).await];
    world.hand_over(&handler, "devicetwin", &straggler).await;
    world.hand_over(&handler, "devicetwin", &live).await;
    assert_eq!(world.secondary.twin("since").await.unwrap()["tags"]["n"], 2);
    world.until_in_sync(handler).await;
    world.assert_hubs_equal().await;
    assert_eq!(world.secondary.twin("since").await.unwrap()["tags"]["n"], 2);
}
