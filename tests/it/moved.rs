//! Partitions that move between two processes, neither of which knows what the other has done.

use serde_json::json;

use crate::world::handler::with_a_device;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_deleted_and_made_again_while_its_partition_was_elsewhere_is_there_with_its_keys() {
    let world = with_a_device("again", Vec::new()).await;
    let (a, b) = (world.handler("a").await, world.handler("b").await);
    world.hand_over(&a, "registry", &world.told("registry", &world.primary, "again").await).await;
    assert!(world.secondary.device("again").await.is_some());
    world.primary.delete("again").await;
    let told = world.told("registry", &world.primary, "again").await;
    world.hand_over(&b, "registry", &told[1..]).await;
    assert!(world.secondary.device("again").await.is_none());
    let second = world.primary.create("again").await;
    let told = world.told("registry", &world.primary, "again").await;
    world.hand_over(&a, "registry", &told[2..]).await;
    let copy = world.secondary.device("again").await.expect("the second life is on the standby");
    assert_eq!(copy["authentication"], second["authentication"]);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_ahead_of_its_event_and_went_back_when_the_source_was_lost_is_put_right_by_its_return()
{
    let world = with_a_device("ahead", Vec::new()).await;
    let (a, b) = (world.handler("a").await, world.handler("b").await);
    world.hand_over_all(&a).await;
    let value = |n: i64| json!({"tags": {"n": n}, "properties": {"desired": {"n": n}}});
    world.primary.patch_twin("ahead", value(5)).await;
    let five = [world.last_told(&world.primary, "ahead").await];
    world.primary.patch_twin("ahead", value(7)).await;
    let seven = [world.last_told(&world.primary, "ahead").await];
    // It reads 7 while it works on the event that says 5; before its checkpoint the batch goes elsewhere.
    world.hand_over(&a, "devicetwin", &five).await;
    assert_eq!(world.secondary.fleet().await["ahead"]["tags"]["n"], 7);
    world.primary.outage("refuse").await;
    world.hand_over(&b, "devicetwin", &five).await;
    assert_eq!(world.pending().await.len(), 1, "whatever it is now, it is named");
    world.primary.outage("off").await;
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?} {:?}", world.pending().await);
    assert_eq!(world.secondary.fleet().await["ahead"]["tags"]["n"], 7);
    world.assert_hubs_equal().await;
    // The event itself does the same, while the source is away.
    world.primary.outage("refuse").await;
    world.hand_over(&b, "devicetwin", &five).await;
    world.hand_over(&b, "devicetwin", &seven).await;
    let copy = &world.secondary.fleet().await["ahead"];
    assert_eq!((&copy["tags"]["n"], &copy["desired"]["n"]), (&json!(7), &json!(7)));
}
