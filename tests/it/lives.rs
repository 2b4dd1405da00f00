//! Which life of a device each hub has, while the roles change.

use std::time::Duration;

use serde_json::json;

use crate::switching::{
    busy, hand_over_what_comes, is_in_sync, until_closing, until_y_is_compared, with_a_copy,
};
use crate::world::news::quick;
use crate::world::storage::container;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_on_the_former_hub_is_kept_though_our_own_delete_is_stamped_a_second_later() {
    let (mut world, handler) = with_a_copy("again", quick()).await;
    world.promote("secondary", &[]).await;
    world.primary.delete("again").await;
    let deleted = world.last_told(&world.primary, "again").await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(world.secondary.device("again").await.is_none());
    let mut own = world.last_told(&world.secondary, "again").await;
    world.primary.create("again").await;
    let made = world.last_told(&world.primary, "again").await;
    // The active hub's clock is a second ahead of the former one's.
    own["properties"]["operationTimestamp"] =
        json!((jiff::Timestamp::now() + Duration::from_secs(1)).to_string());
    world.hand_over(&handler, "devicetwin", &[own]).await;
    world.hand_over(&handler, "devicetwin", &[made]).await;
    let here = world.secondary.device("again").await.is_some();
    world.until_in_sync(handler).await;
    let both =
        (world.primary.device("again").await.is_some(), world.secondary.device("again").await.is_some());
    assert_eq!(
        (here, both),
        (true, (true, true)),
        "on the active hub at once; on primary and secondary in the end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_deleted_while_a_comparison_closes_is_not_alive_on_the_hub_that_is_promoted_next() {
    let mut environment = quick();
    environment.push(("HADR_SWEEP_EVERY_SECONDS", "15".to_owned()));
    let (world, handler) = with_a_copy("revoked", environment).await;
    world.promote("secondary", &[]).await;
    until_closing(&world, &handler).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.secondary.delete("revoked").await;
    let deleted = world.last_told(&world.secondary, "revoked").await;
    world.hand_over(&handler, "devicetwin", &[deleted]).await;
    assert!(hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await);
    let parts = container(&world).list("changed/").await;
    // All that the hubs told has been taken, and nothing is pending.
    let promoted =
        world.app(&["promote", "--to", "primary", "--reason", "back", "--drain-timeout-seconds", "0"]).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    let alive = world.primary.device("revoked").await.is_some();
    let ended = hand_over_what_comes(&world, &handler, 60, async || is_in_sync(&world).await).await;
    let there =
        (world.primary.device("revoked").await.is_some(), world.secondary.device("revoked").await.is_some());
    assert_eq!((alive, ended, there), (false, true, (false, false)), "{parts:?} {promoted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_while_the_comparison_deletes_it_on_the_former_hub_is_kept() {
    let (mut world, handler) = with_a_copy("again", busy()).await;
    world.primary.create("y").await;
    world.hand_over_all(&handler).await;
    world.promote("secondary", &[]).await;
    world.secondary.delete("again").await;
    let gone = world.last_told(&world.secondary, "again").await;
    let of_y = world.last_told(&world.primary, "y").await;
    world.hand_over(&handler, "devicetwin", &[gone, of_y]).await;
    until_y_is_compared(&world, &handler, 1500).await;
    world
        .eventually("the comparison deletes it", async || world.primary.device("again").await.is_none())
        .await;
    world.secondary.create("again").await;
    let our_own = world.last_told(&world.primary, "again").await;
    world.hand_over(&handler, "devicetwin", &[our_own]).await;
    let here = world.secondary.device("again").await.is_some();
    world.primary.clear_faults().await;
    world.until_in_sync(handler).await;
    let both =
        (world.primary.device("again").await.is_some(), world.secondary.device("again").await.is_some());
    assert_eq!((here, both), (true, (true, true)), "on the active hub at once; on both in the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_heard_while_another_process_is_about_to_bring_the_device_over_is_not_undone() {
    let (world, one) = with_a_copy("gone", quick()).await;
    world.promote("secondary", &[]).await;
    let two = world.handler("two").await;
    world.primary.patch_twin("gone", json!({"tags": {"n": 1}})).await;
    let changed = [world.last_told(&world.primary, "gone").await];
    world.secondary.delete("gone").await;
    let deleted = [world.last_told(&world.secondary, "gone").await];
    world.secondary.forget_requests().await;
    let slow = json!({"method": "GET", "pathContains": "/twins/gone", "delayMs": 1000, "times": 1});
    world.secondary.fault(slow).await;
    tokio::join!(world.hand_over(&one, "devicetwin", &changed), async {
        // The first one has read its note by then, and waits for the hub.
        tokio::time::sleep(Duration::from_millis(400)).await;
        world.hand_over(&two, "devicetwin", &deleted).await;
    });
    assert!(world.secondary.device("gone").await.is_none());
    assert_eq!(world.secondary.writes().await, Vec::<String>::new(), "nor was it for a moment");
}
