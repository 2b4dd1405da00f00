//! A process that still works under the record of before, while others go on under the one of now.

use std::time::Duration;

use serde_json::json;

use crate::switching::{busy, hand_over_what_comes, is_in_sync, record, until_closing, with_a_copy};
use crate::world::news::quick;
use crate::world::storage::container;

#[tokio::test(flavor = "multi_thread")]
async fn who_still_thinks_that_the_standby_is_in_sync_forgets_nothing_that_is_kept_for_the_rejoining() {
    let (world, one) = with_a_copy("x", quick()).await;
    let two = world.handler("two").await;
    world.primary.patch_twin("x", json!({"tags": {"n": 1}})).await;
    let first = [world.last_told(&world.primary, "x").await];
    // The active hub is about to be lost: it takes its time, and then says nothing of use.
    let slow =
        json!({"method": "GET", "pathContains": "/twins/x", "delayMs": 9000, "status": 401, "times": 1});
    world.primary.fault(slow).await;
    let meanwhile = async {
        world.eventually("it is asked", async || world.secondary.reads_of("x").await > 0).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.promote("secondary", &["--force"]).await;
        world.secondary.delete("x").await;
        let deleted = [world.last_told(&world.secondary, "x").await];
        world.hand_over(&two, "devicetwin", &deleted).await;
    };
    world.secondary.forget_requests().await;
    let (answer, ()) = tokio::join!(one.deliver("devicetwin", 0, &first), meanwhile);
    world.hand_over(&two, "devicetwin", &first).await;
    let note =
        container(&world).get("pending/x.json").await.map(|note| String::from_utf8_lossy(&note).into_owned());
    assert!(world.secondary.device("x").await.is_none(), "its deletion was heard: {answer:?} {note:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_under_one_record_is_not_acknowledged_under_another() {
    let (world, one) = with_a_copy("x", busy()).await;
    world.primary.create_module("x", "m").await;
    world.hand_over_all(&one).await;
    world.promote("secondary", &[]).await;
    let two = world.handler("two").await;
    let of_x = world.last_told(&world.primary, "x").await;
    until_closing(&world, &one).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.secondary.patch_twin("x/m", json!({"tags": {"n": 1}})).await;
    let tagged = world.last_told(&world.secondary, "x").await;
    // The device comes first, and its hub takes its time; the module's event waits behind it.
    let slow = json!({"method": "GET", "pathContains": "/twins/x", "delayMs": 3000, "times": 1});
    world.secondary.fault(slow).await;
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        two.process.signal("STOP");
        assert!(hand_over_what_comes(&world, &one, 60, async || is_in_sync(&world).await).await);
        world.promote("primary", &["--force"]).await;
        two.process.signal("CONT");
    };
    let batch = [of_x, tagged];
    let (answer, ()) = tokio::join!(two.deliver("devicetwin", 0, &batch), meanwhile);
    if answer.0 != 200 {
        world.hand_over(&two, "devicetwin", &batch).await;
    }
    let accepted = world.app(&["rejoin", "--accept"]).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
    let ended = hand_over_what_comes(&world, &one, 90, async || is_in_sync(&world).await).await;
    assert!(ended, "{} {:?}", record(&world).await, world.pending().await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let n = [&world.primary.fleet().await, &world.secondary.fleet().await]
        .map(|fleet| fleet["x/m"]["tags"]["n"].clone());
    let losses = world.app(&["losses", "list", "--json"]).await.stdout;
    assert_eq!(n, [json!(1), json!(1)], "{answer:?} {losses} {:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_up_of_a_hub_that_is_in_sync() {
    let (world, handler) = with_a_copy("x", quick()).await;
    let refusal = json!({"method": "PATCH", "pathContains": "/twins/x", "status": 400, "times": 1_000_000});
    world.secondary.fault(refusal).await;
    world.primary.patch_twin("x", json!({"tags": {"n": 1}})).await;
    let event = world.last_told(&world.primary, "x").await;
    world.hand_over(&handler, "devicetwin", &[event]).await;
    assert_eq!(world.pending().await.len(), 1);
    let given_up = world.app(&["rejoin", "--give-up", "x"]).await;
    assert_ne!(given_up.code, 0, "{given_up:?}");
    assert_eq!(world.pending().await.len(), 1, "it is not on the standby yet");
}
