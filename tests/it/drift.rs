//! What the standby says itself while it is in sync: a copy that another process made, or somebody's own write.

use serde_json::{Value, json};

use crate::switching::with_a_copy;
use crate::world::World;
use crate::world::news::quick;

async fn losses(world: &World) -> Value {
    world.app_json(&["losses", "list", "--json"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_copied_and_the_active_hub_has_changed_since_is_no_drift() {
    let (world, one) = with_a_copy("x", quick()).await;
    let change = |n: i64| json!({"tags": {"site": {"a": 1}}, "properties": {"desired": {"n": n, "m": 1}}});
    world.primary.patch_twin("x", change(1)).await;
    let first = world.last_told(&world.primary, "x").await;
    world.hand_over(&one, "devicetwin", &[first]).await;
    let copied = world.last_told(&world.secondary, "x").await;
    world.primary.patch_twin("x", change(2)).await;
    // It has not heard of the second change yet, and remembers nothing of the copy.
    let two = world.handler("two").await;
    world.hand_over(&two, "devicetwin", &[copied]).await;
    assert_eq!(losses(&world).await, json!([]));
    assert_eq!(world.pending().await, [] as [Value; 0]);
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_writes_to_the_standby_is_named_before_it_is_overwritten() {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.primary.patch_twin("x", json!({"tags": {"site": {"a": 1, "b": 1}}})).await;
    world.hand_over_all(&handler).await;
    world.secondary.patch_twin("x", json!({"tags": {"site": {"a": 9, "c": 9}}})).await;
    let by_hand = world.last_told(&world.secondary, "x").await;
    world.hand_over(&handler, "devicetwin", &[by_hand]).await;
    let reports = losses(&world).await;
    let named: Vec<&Value> =
        reports[0]["losses"].as_array().unwrap().iter().map(|loss| &loss["path"]).collect();
    assert_eq!(named, [&json!(["site", "a"]), &json!(["site", "c"])], "{reports}");
    assert_eq!(world.pending().await[0]["reason"], "drift");
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_writes_to_the_standby_is_named_also_where_the_active_hub_speaks_in_the_same_batch() {
    let (world, handler) = with_a_copy("x", quick()).await;
    world.primary.patch_twin("x", json!({"tags": {"site": {"a": 1}}})).await;
    world.hand_over_all(&handler).await;
    world.secondary.patch_twin("x", json!({"tags": {"site": {"a": 9}}})).await;
    let by_hand = world.last_told(&world.secondary, "x").await;
    world.primary.patch_twin("x", json!({"tags": {"other": 1}})).await;
    let by_the_active = world.last_told(&world.primary, "x").await;
    world.hand_over(&handler, "devicetwin", &[by_the_active, by_hand]).await;
    let reports = losses(&world).await;
    assert_eq!(reports[0]["losses"][0]["path"], json!(["site", "a"]), "{reports}");
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    world.assert_hubs_equal().await;
}
