//! What a former active hub said before the cut, and the new active one does not know yet.

use serde_json::{Value, json};

use crate::world::World;
use crate::world::handler::{Handler, LATER, grid_event, twin_event, with_a_device};

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_the_new_active_could_not_take_is_settled_later_and_then_no_longer_owed() {
    let world = with_a_device("back", Vec::new()).await;
    let handler = world.handler("backlog").await;
    let created = grid_event("primary", "back", "DeviceCreated", 1);
    assert_eq!(handler.deliver("registry", 0, &[created]).await.0, 200);
    world.primary.outage("refuse").await;
    let promoted = world.app(&["promote", "--to", "secondary", "--force", "--reason", "test"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    let body = json!({"version": 3, "tags": {"n": 1}});
    let backlog = twin_event("primary", "back", &body, "2020-01-01T00:00:00+00:00", 7);
    world.secondary.fault(refused_change("back")).await;
    world
        .eventually("accepted", async || {
            handler.deliver("devicetwin", 0, std::slice::from_ref(&backlog)).await.0 == 200
        })
        .await;
    let owed = world.owed().await;
    assert_eq!((owed.len(), owed[0]["reason"].clone()), (1, json!("backlog")), "{owed:?}");
    world.primary.outage("off").await;
    let retried = world.app(&["owed", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?} {:?}", world.owed().await);
    assert_eq!(world.secondary.twin("back").await.unwrap()["tags"]["n"], 1);
    assert!(world.owed().await.is_empty());
}

/// A planned promotion, after which the former active hub has a change from before the cut that the active one lacks.
async fn with_a_straggler(id: &str) -> (World, Handler, Value) {
    let world = with_a_device(id, Vec::new()).await;
    let handler = world.handler("straggler").await;
    let created = grid_event("primary", id, "DeviceCreated", 1);
    assert_eq!(handler.deliver("registry", 0, &[created]).await.0, 200);
    let promoted = world.app(&["promote", "--to", "secondary", "--reason", "drill"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    world.primary.patch_twin(id, json!({"tags": {"n": 1}})).await;
    world
        .eventually("the new roles are known", async || {
            let unknown = twin_event("secondary", "nobody", &json!({"version": 3}), LATER, 2);
            handler.deliver("devicetwin", 0, &[unknown]).await.0 == 200
        })
        .await;
    let event = twin_event("primary", id, &json!({"version": 3, "tags": {"n": 1}}), LATER, 7);
    (world, handler, event)
}

/// The same, after the active hub has refused it once: it is owed.
async fn with_an_owed_backlog(id: &str) -> (World, Handler) {
    let (world, handler, straggler) = with_a_straggler(id).await;
    world.secondary.fault(refused_change(id)).await;
    assert_eq!(handler.deliver("devicetwin", 0, &[straggler]).await.0, 200);
    let owed = world.owed().await;
    assert_eq!((owed.len(), owed[0]["reason"].clone()), (1, json!("backlog")), "{owed:?}");
    (world, handler)
}

/// The next change of this twin is refused.
fn refused_change(id: &str) -> Value {
    json!({"method": "PATCH", "pathContains": format!("/twins/{id}"), "status": 400, "times": 1})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_change_does_not_take_the_place_of_an_owed_backlog() {
    let (world, handler) = with_an_owed_backlog("kept").await;
    // The hub goes on refusing it while its own changes arrive.
    world.secondary.patch_twin("kept", json!({"tags": {"live": true}})).await;
    world.secondary.fault(refused_change("kept")).await;
    let live = twin_event("secondary", "kept", &json!({"version": 3, "tags": {"live": true}}), LATER, 8);
    assert_eq!(handler.deliver("devicetwin", 0, &[live]).await.0, 200);
    let owed = world.owed().await;
    assert_eq!((owed.len(), owed[0]["reason"].clone()), (1, json!("backlog")), "{owed:?}");
    assert_eq!(world.primary.twin("kept").await.unwrap()["tags"]["live"], true, "others wait for nothing");
    let retried = world.app(&["owed", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?} {:?}", world.owed().await);
    assert_eq!(world.secondary.twin("kept").await.unwrap()["tags"], json!({"n": 1, "live": true}));
    assert!(world.owed().await.is_empty());
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_change_settles_an_owed_backlog_first() {
    let (world, handler) = with_an_owed_backlog("first").await;
    world.secondary.patch_twin("first", json!({"tags": {"live": true}})).await;
    let live = twin_event("secondary", "first", &json!({"version": 3, "tags": {"live": true}}), LATER, 8);
    assert_eq!(handler.deliver("devicetwin", 0, &[live]).await.0, 200);
    assert_eq!(world.secondary.twin("first").await.unwrap()["tags"], json!({"n": 1, "live": true}));
    assert!(world.owed().await.is_empty());
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_live_change_carries_is_kept_beside_an_owed_backlog_when_no_hub_answers() {
    let (world, handler) = with_an_owed_backlog("dark").await;
    world.secondary.outage("refuse").await;
    world.primary.outage("refuse").await;
    let live = twin_event("secondary", "dark", &json!({"version": 4, "tags": {"live": true}}), LATER, 8);
    assert_eq!(handler.deliver("devicetwin", 0, &[live]).await.0, 200);
    let note = world.owed().await.remove(0);
    assert_eq!(note["reason"], "backlog", "{note}");
    assert!(note["change"].to_string().contains("live"), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_a_device_that_the_new_active_hub_deleted_is_owed_no_more() {
    let (world, handler) = with_an_owed_backlog("gone").await;
    world.secondary.delete("gone").await;
    let deleted = grid_event("secondary", "gone", "DeviceDeleted", 8);
    assert_eq!(handler.deliver("registry", 0, &[deleted]).await.0, 200);
    assert!(world.primary.device("gone").await.is_none());
    assert_eq!(world.app(&["owed", "retry"]).await.code, 0);
    assert!(world.owed().await.is_empty(), "{:?}", world.owed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_is_refused_in_part_does_not_undo_what_the_new_active_hub_said_since() {
    let (world, handler, _) = with_a_straggler("part").await;
    let body = json!({"version": 3, "tags": {"n": 1}, "properties": {"reported": {"r": 5}}});
    let straggler = twin_event("primary", "part", &body, LATER, 7);
    // A disabled device's reported properties cannot be written.
    world.secondary.update("part", json!({"status": "disabled"})).await;
    assert_eq!(handler.deliver("devicetwin", 0, &[straggler]).await.0, 200);
    assert_eq!(world.owed().await.len(), 1);
    assert_eq!(world.secondary.twin("part").await.unwrap()["tags"]["n"], 1);
    world.secondary.patch_twin("part", json!({"tags": {"n": 9}})).await;
    let live = twin_event("secondary", "part", &json!({"version": 5, "tags": {"n": 9}}), LATER, 8);
    assert_eq!(handler.deliver("devicetwin", 0, &[live]).await.0, 200);
    assert_eq!(world.secondary.twin("part").await.unwrap()["tags"]["n"], 9);
    world.app(&["owed", "retry"]).await;
    assert_eq!(world.secondary.twin("part").await.unwrap()["tags"]["n"], 9);
    assert_eq!(world.primary.twin("part").await.unwrap()["tags"]["n"], 9, "live changes go on");
    world.secondary.update("part", json!({"status": "enabled"})).await;
    let retried = world.app(&["owed", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?} {:?}", world.owed().await);
    let twin = world.secondary.twin("part").await.unwrap();
    assert_eq!((&twin["tags"]["n"], &twin["properties"]["reported"]["r"]), (&json!(9), &json!(5)));
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_from_before_the_cut_is_kept_beside_a_live_one_that_ends_as_owed() {
    let (world, handler, straggler) = with_a_straggler("both").await;
    world.secondary.patch_twin("both", json!({"tags": {"live": true}})).await;
    world.primary.fault(refused_change("both")).await;
    let live = twin_event("secondary", "both", &json!({"version": 3, "tags": {"live": true}}), LATER, 8);
    assert_eq!(handler.deliver("devicetwin", 0, &[straggler, live]).await.0, 200);
    let owed = world.owed().await;
    assert_eq!((owed.len(), owed[0]["reason"].clone()), (1, json!("rejected")), "{owed:?}");
    assert_eq!(world.app(&["owed", "retry"]).await.code, 0);
    assert_eq!(world.secondary.twin("both").await.unwrap()["tags"], json!({"n": 1, "live": true}));
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_delivered_again_does_not_undo_what_the_new_active_hub_said_since() {
    let (world, handler, straggler) = with_a_straggler("since").await;
    assert_eq!(handler.deliver("devicetwin", 0, std::slice::from_ref(&straggler)).await.0, 200);
    assert_eq!(world.secondary.twin("since").await.unwrap()["tags"]["n"], 1);
    world.secondary.patch_twin("since", json!({"tags": {"n": 2}})).await;
    assert_eq!(handler.deliver("devicetwin", 0, &[straggler]).await.0, 200);
    assert_eq!(world.secondary.twin("since").await.unwrap()["tags"]["n"], 2);
}
