//! A process that still works under the record of before, while others go on under the one of now.

use std::time::Duration;

use serde_json::json;

use crate::switching::with_a_copy;
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
