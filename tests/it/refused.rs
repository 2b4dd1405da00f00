//! What a hub refuses, or nobody can read, while the roles change.

use serde_json::{Value, json};

use crate::switching::with_a_copy;
use crate::world::World;
use crate::world::handler::Handler;
use crate::world::hub::Hub;
use crate::world::news::quick;

async fn told(world: &World, handler: &Handler, hub: &Hub, id: &str) {
    let event = world.last_told(hub, id).await;
    world.hand_over(handler, "devicetwin", &[event]).await;
}

async fn refuses(hub: &Hub, method: &str, path: &str) {
    let fault = json!({"method": method, "pathContains": path, "status": 400, "times": 1_000_000});
    hub.fault(fault).await;
}

fn keys(device: &Value) -> &Value {
    &device["authentication"]["symmetricKey"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_entry_of_the_former_hub_that_the_active_one_refuses_is_pending_and_its_twin_follows() {
    let (world, handler) = with_a_copy("d", quick()).await;
    world.promote("secondary", &[]).await;
    let before = world.log("devicetwin", 0).await.len();
    world.primary.delete("d").await;
    let made = world.primary.create("d").await;
    world.primary.patch_twin("d", json!({"tags": {"life": 2}})).await;
    let lives = world.log("devicetwin", 0).await.split_off(before);
    refuses(&world.secondary, "PUT", "/devices/d").await;
    world.hand_over(&handler, "devicetwin", &lives).await;
    let pending = world.pending().await;
    assert_eq!(pending.len(), 1, "the keys of its second life are not there: {pending:?}");
    assert!(pending[0]["detail"].as_str().unwrap().starts_with("/identity: "), "{pending:?}");
    assert_eq!(world.secondary.fleet().await["d"]["tags"], json!({"life": 2}));
    world.secondary.clear_faults().await;
    world.app(&["pending", "retry"]).await;
    assert!(keys(&world.secondary.fleet().await["d"]) == keys(&made), "{:?}", world.pending().await);
    assert!(world.pending().await.is_empty(), "{:?}", world.pending().await);
}
