//! A delete needs an announcement of the active hub; and it is tried as often as it takes, with one snapshot.

use serde_json::{Value, json};

use crate::world::handler::with_a_device;
use crate::world::storage::container;

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_only_the_standby_has_are_all_named_and_none_is_deleted() {
    let world = with_a_device("both", Vec::new()).await;
    let handler = world.handler("strays").await;
    world.hand_over_all(&handler).await;
    let ids: Vec<String> = (0..120).map(|n| format!("stray-{n:03}")).collect();
    for id in &ids {
        world.secondary.create(id).await;
    }
    let before = world.log("devicetwin", 0).await.len();
    for id in &ids {
        world.secondary.patch_twin(id, json!({"tags": {"seen": true}})).await;
    }
    let changes = world.log("devicetwin", 0).await;
    world.hand_over(&handler, "devicetwin", &changes[before..]).await;
    world.hand_over_all(&handler).await;
    for _ in 0..2 {
        world.app(&["pending", "retry"]).await;
    }
    assert_eq!(world.secondary.fleet().await.len(), 121);
    assert_eq!(world.secondary.count("DELETE").await, 0);
    let named: Vec<Value> = world.pending().await;
    assert!(named.iter().all(|note| note["reason"] == "only-on-standby"), "{:?}", named.first());
    let mut names: Vec<&str> =
        named.iter().map(|note| note["identity"]["deviceId"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ids);
    assert!(world.primary.fleet().await.len() == 1, "and none is made on the active hub");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_is_refused_five_times_leaves_one_snapshot() {
    let world = with_a_device("kept", Vec::new()).await;
    let handler = world.handler("refused").await;
    world.hand_over_all(&handler).await;
    let refusal = json!({"method": "DELETE", "pathContains": "/devices/kept", "status": 403, "times": 5});
    world.secondary.fault(refusal).await;
    world.primary.delete("kept").await;
    let deleted = world.told("registry", &world.primary, "kept").await;
    world.hand_over(&handler, "registry", &deleted[1..]).await;
    for _ in 1..5 {
        assert_eq!(world.app(&["pending", "retry"]).await.code, 1, "it is refused");
    }
    assert_eq!(world.secondary.count("DELETE").await, 5);
    let snapshots = container(&world).list("snapshots/").await;
    assert_eq!(snapshots.len(), 1, "{snapshots:?}");
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?}");
    assert!(world.secondary.device("kept").await.is_none());
    assert_eq!(container(&world).list("snapshots/").await, snapshots);
}
