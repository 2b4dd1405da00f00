//! The end of a rejoining: nothing but what it is about may hold it up.

use std::time::Duration;

use serde_json::json;

use crate::switching::{busy, hand_over_what_comes, is_in_sync, record, until_closing, with_a_copy};

#[tokio::test(flavor = "multi_thread")]
async fn one_identity_of_which_the_former_hub_says_nothing_holds_up_neither_the_end_nor_any_batch() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.primary.create("y").await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    for id in ["x", "y"] {
        world.secondary.patch_twin(id, json!({"tags": {"n": 1}})).await;
        let changed = [world.last_told(&world.secondary, id).await];
        world.hand_over(&handler, "devicetwin", &changed).await;
    }
    until_closing(&world, &handler).await;
    let silent = json!({"pathContains": "/twins/x", "status": 503, "times": 1_000_000});
    world.primary.fault(silent).await;
    let ended = hand_over_what_comes(&world, &handler, 120, async || is_in_sync(&world).await);
    assert!(ended.await, "{} {:?}", record(&world).await, world.pending().await);
    let pending = world.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!((&pending[0]["id"], &pending[0]["reason"]), (&json!("x"), &json!("target-unreachable")));
    assert_eq!(world.primary.fleet().await["y"]["tags"]["n"], 1);
    world.primary.clear_faults().await;
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?}");
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_longer_than_a_run_of_the_duty_goes_on_where_it_was() {
    const DEVICES: usize = 250;
    let mut environment = busy();
    environment.push(("HADR_SWEEP_SECONDS", "8".to_owned()));
    // Answers that become slow make the app ask less where it must find a hub's limits itself.
    environment.extend(["HADR_HUB1_TIER", "HADR_HUB2_TIER"].map(|hub| (hub, "S3x10".to_owned())));
    let (world, handler) = with_a_copy("d000", environment).await;
    let ids: Vec<String> = (1..DEVICES).map(|n| format!("d{n:03}")).collect();
    for id in &ids {
        world.primary.create(id).await;
    }
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    let before = world.log("devicetwin", 0).await.len();
    for id in &ids {
        world.secondary.patch_twin(id, json!({"tags": {"n": 1}})).await;
    }
    let changes = world.log("devicetwin", 0).await.split_off(before);
    world.hand_over(&handler, "devicetwin", &changes).await;
    until_closing(&world, &handler).await;
    let slow = json!({"method": "GET", "pathContains": "/twins/d", "delayMs": 400, "times": 1_000_000});
    world.primary.fault(slow).await;
    let ended = hand_over_what_comes(&world, &handler, 240, async || is_in_sync(&world).await).await;
    assert!(ended, "{}", record(&world).await);
    world.primary.clear_faults().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_settled_while_a_rejoining_closes_is_tried_less_and_less_often() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.promote("secondary", &[]).await;
    world.secondary.patch_twin("x", json!({"tags": {"n": 1}})).await;
    let changed = [world.last_told(&world.secondary, "x").await];
    world.hand_over(&handler, "devicetwin", &changed).await;
    until_closing(&world, &handler).await;
    let refused = json!({"method": "GET", "pathContains": "/twins/x", "status": 401, "times": 1_000_000});
    world.secondary.fault(refused).await;
    world.secondary.forget_requests().await;
    world.eventually("it is compared", async || world.secondary.reads_of("x").await > 0).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let reads = world.secondary.reads_of("x").await;
    assert!(reads <= 10, "{reads} reads in 20 s {:?}", world.pending().await);
    world.secondary.clear_faults().await;
    world.app(&["pending", "retry"]).await;
    let ended = hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await;
    assert!(ended, "{} {:?}", record(&world).await, world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_no_url_can_name_holds_up_no_end() {
    let (world, handler) = with_a_copy("x", busy()).await;
    world.promote("secondary", &[]).await;
    let made = json!([{"id": "..", "importMode": "create"}]);
    let (status, answer) = world.secondary.call(reqwest::Method::POST, "/devices", None, Some(made)).await;
    assert!(status.is_success(), "{status} {answer}");
    world.hand_over_all(&handler).await;
    let ended = hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await);
    assert!(ended.await, "{} {:?}", record(&world).await, world.pending().await);
    let (pending, letters) = (world.pending().await, world.dead_letters().await);
    assert!(pending.iter().chain(&letters).any(|one| one.to_string().contains("..")), "it is named");
}
