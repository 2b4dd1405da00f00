//! A handler that is stopped in the middle of a batch, and goes on when the roles have changed.

use serde_json::{Value, json};

use crate::world::World;
use crate::world::handler::{Handler, with_a_device};
use crate::world::news::quick;

/// Devices in a batch.
const DEVICES: usize = 16;

fn id(n: usize) -> String {
    format!("frozen-{n}")
}

/// Devices that are equal on both hubs.
async fn with_copies() -> (World, Handler) {
    let world = with_a_device(&id(0), quick()).await;
    for n in 1..DEVICES {
        world.primary.create(&id(n)).await;
    }
    let handler = world.handler("frozen").await;
    world.hand_over_all(&handler).await;
    (world, handler)
}

/// Stops the handler, forces the other hub active, and lets the handler go on until its batch has been answered; what
/// it wrote to the hub that is active now.
async fn frozen_through_a_promotion(world: &World, handler: &Handler, batch: &[Value]) -> Vec<String> {
    let promoted = async {
        world.eventually("the batch is under way", async || is_under_way(world).await).await;
        handler.process.signal("STOP");
        world.promote("secondary", &["--force"]).await;
        world.secondary.forget_requests().await;
        handler.process.signal("CONT");
    };
    let (answer, ()) = tokio::join!(handler.deliver("devicetwin", 0, batch), promoted);
    assert_eq!(answer.0, 503, "{answer:?}");
    world.secondary.writes().await
}

/// The handler has looked at the standby, and waits for the answer that is held back.
async fn is_under_way(world: &World) -> bool {
    world.secondary.count("GET").await >= DEVICES
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_frozen_while_it_reads_writes_nothing_to_the_hub_that_is_active_meanwhile() {
    let (mut world, handler) = with_copies().await;
    let before = world.log("devicetwin", 0).await.len();
    for n in 0..DEVICES {
        world.primary.patch_twin(&id(n), json!({"tags": {"n": 2}})).await;
    }
    let batch = world.log("devicetwin", 0).await.split_off(before);
    world.secondary.forget_requests().await;
    // The active hub's answers are held back: the handler waits for them with the standby's in hand.
    let slow = json!({"method": "GET", "pathContains": "/twins/frozen", "delayMs": 1500, "times": 1000});
    world.primary.fault(slow).await;
    let written = frozen_through_a_promotion(&world, &handler, &batch).await;
    assert!(written.is_empty(), "{written:?}");
    world.primary.clear_faults().await;
    world.hand_over(&handler, "devicetwin", &batch).await;
    for n in 0..DEVICES {
        assert_eq!(world.secondary.fleet().await[&id(n)]["tags"]["n"], 2);
    }
    let accepted = world.app(&["rejoin", "--accept"]).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
    world.until_in_sync(handler).await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_frozen_while_it_connects_as_a_device_reports_nothing_to_the_hub_that_is_active_meanwhile()
{
    let (mut world, handler) = with_copies().await;
    let before = world.log("devicetwin", 0).await.len();
    for n in 0..DEVICES {
        let mut device = world.connect(&world.primary, &id(n)).await;
        assert_eq!(device.report(&json!({"n": 2})).await, 204);
    }
    let batch = world.log("devicetwin", 0).await.split_off(before);
    world.secondary.forget_requests().await;
    // The standby takes its time to let a device in.
    let slow = json!({"method": "MQTT-CONNECT", "pathContains": "frozen", "delayMs": 1500, "times": 1000});
    world.secondary.fault(slow).await;
    let written = frozen_through_a_promotion(&world, &handler, &batch).await;
    assert!(written.is_empty(), "{written:?}");
    world.secondary.clear_faults().await;
    world.hand_over(&handler, "devicetwin", &batch).await;
    let accepted = world.app(&["rejoin", "--accept"]).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
    world.until_in_sync(handler).await;
    for hub in [&world.primary, &world.secondary] {
        let fleet = hub.fleet().await;
        assert!((0..DEVICES).all(|n| fleet[&id(n)]["reported"]["n"] == 2), "{}", hub.name);
    }
    world.assert_hubs_equal().await;
}
