//! A planned promotion although something is pending: what the active hub said of it stays to be brought over.

use serde_json::json;

use crate::world::news::quick;
use crate::world::{Options, World};

/// Until the standby has refused it.
async fn until_pending(world: &World, count: usize) {
    world.settle().await;
    assert_eq!(world.pending().await.len(), count, "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_delete_stays_a_delete_and_a_pending_value_is_not_overwritten_by_the_older_one() {
    let world = World::with(Options { environment: quick(), ..Options::default() }).await;
    for id in ["deleted", "changed", "well"] {
        world.primary.create(id).await;
    }
    let value = |n: i64| json!({"tags": {"n": n}, "properties": {"desired": {"n": n}}});
    world.primary.patch_twin("changed", value(1)).await;
    world.settle().await;
    world.assert_hubs_equal().await;
    world
        .secondary
        .fault(json!({"method": "DELETE", "pathContains": "/devices/deleted", "status": 403, "times": 9999}))
        .await;
    world
        .secondary
        .fault(json!({"method": "PATCH", "pathContains": "/twins/changed", "status": 400, "times": 9999}))
        .await;
    world.primary.delete("deleted").await;
    world.primary.patch_twin("changed", value(2)).await;
    until_pending(&world, 2).await;
    let promote = ["promote", "--to", "secondary", "--reason", "drill", "--drain-timeout-seconds", "20"];
    let mut short = promote;
    short[6] = "5";
    let refused = world.app(&short).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("2 pending") && refused.stderr.contains("--accept-pending"),
        "{refused:?}"
    );
    let promoted = world.app(&[&promote[..], &["--accept-pending"]].concat()).await;
    assert_eq!(promoted.code, 0, "{promoted:?}");
    world.primary.forget_requests().await;
    world.app(&["pending", "retry"]).await;
    assert_eq!(world.pending().await.len(), 2, "they stay pending: {:?}", world.pending().await);
    assert!(world.primary.writes().await.is_empty(), "{:?}", world.primary.writes().await);
    world.secondary.clear_faults().await;
    world.eventually("nothing is pending", async || world.app(&["pending", "retry"]).await.code == 0).await;
    assert!(world.secondary.device("deleted").await.is_none());
    assert!(world.primary.device("deleted").await.is_none(), "it is not made again");
    let copy = &world.secondary.fleet().await["changed"];
    assert_eq!((&copy["tags"]["n"], &copy["desired"]["n"]), (&json!(2), &json!(2)));
    world.assert_hubs_equal().await;
    assert!(world.primary.writes().await.is_empty(), "{:?}", world.primary.writes().await);
}
