//! Reported properties belong to the device; on the standby they are written as the device would.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_reports_on_the_active_hub_is_reported_on_the_standby() {
    let world = World::start().await;
    world.primary.create("talker").await;
    let mut device = world.connect(&world.primary, "talker").await;
    assert_eq!(device.report(&json!({"fw": "1.2", "net": {"ip": "10.0.0.1", "up": true}})).await, 204);
    assert_eq!(device.report(&json!({"fw": "1.3", "net": {"ip": null}})).await, 204);
    world.settle().await;
    world.assert_hubs_equal().await;
    assert_eq!(
        world.secondary.fleet().await["talker"]["reported"],
        json!({"fw": "1.3", "net": {"up": true}})
    );
    assert!(device.is_alive().await, "the device was not disturbed on its own hub");
}

#[tokio::test(flavor = "multi_thread")]
async fn desired_and_reported_in_one_batch_both_arrive() {
    let world = World::start().await;
    world.primary.create("both").await;
    let mut device = world.connect(&world.primary, "both").await;
    world.settle().await;
    world.host_post("/pause").await;
    world.primary.patch_twin("both", json!({"properties": {"desired": {"d": 1}}})).await;
    device.report(&json!({"r": 1})).await;
    world.host_post("/resume").await;
    world.settle().await;
    let fleet = world.secondary.fleet().await;
    assert_eq!((&fleet["both"]["desired"], &fleet["both"]["reported"]), (&json!({"d": 1}), &json!({"r": 1})));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_report_is_one_mqtt_write_and_its_echo_none() {
    let world = World::start().await;
    world.primary.create("echo").await;
    let mut device = world.connect(&world.primary, "echo").await;
    world.settle().await;
    world.primary.forget_requests().await;
    world.secondary.forget_requests().await;
    device.report(&json!({"once": 1})).await;
    world.settle().await;
    assert_eq!(world.secondary.writes().await.len(), 1, "{:?}", world.secondary.writes().await);
    assert_eq!(world.secondary.count("MQTT-PATCH").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_connected_to_the_standby_is_not_kicked_off_but_pending() {
    let world = World::start().await;
    world.primary.create("roamer").await;
    world.settle().await;
    let mut there = world.connect(&world.secondary, "roamer").await;
    let mut here = world.connect(&world.primary, "roamer").await;
    here.report(&json!({"where": "primary"})).await;
    world.settle().await;
    assert!(there.is_alive().await, "its connection to the standby stands");
    let pending = world.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0]["reason"], "connected");
    drop(there);
    world
        .eventually("the standby notices that it is gone", || async {
            world.secondary.twin("roamer").await.unwrap()["connectionState"] == "Disconnected"
        })
        .await;
    world.sweep().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_device_refusing_mqtt_among_a_hundred_is_pending_alone() {
    let world = World::start().await;
    let ids: Vec<String> = (0..100).map(|n| format!("m{n}")).collect();
    for id in &ids {
        world.primary.create(id).await;
    }
    world.settle().await;
    world.host_post("/pause").await;
    for id in &ids {
        let mut device = world.connect(&world.primary, id).await;
        assert_eq!(device.report(&json!({ "id": id })).await, 204);
    }
    let refusal = json!({"method": "MQTT-CONNECT", "pathContains": "m42", "status": 401, "times": 1000});
    world.secondary.fault(refusal).await;
    world.host_post("/resume").await;
    world.settle().await;
    let pending = world.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0]["identity"]["deviceId"], "m42");
    let fleet = world.secondary.fleet().await;
    let wrong: Vec<_> = ids.iter().filter(|id| fleet[*id]["reported"]["id"] != **id).collect();
    assert_eq!(wrong, ["m42"]);
    world.secondary.clear_faults().await;
    world.sweep().await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_properties_of_a_disabled_device_are_pending() {
    let world = World::start().await;
    world.primary.create("off").await;
    let mut device = world.connect(&world.primary, "off").await;
    world.settle().await;
    world.host_post("/pause").await;
    device.report(&json!({"last": "words"})).await;
    world.primary.update("off", json!({"status": "disabled"})).await;
    world.host_post("/resume").await;
    world.settle().await;
    assert_eq!(world.secondary.device("off").await.unwrap()["status"], "disabled");
    let pending = world.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    world.primary.update("off", json!({"status": "enabled"})).await;
    world.sweep().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}
