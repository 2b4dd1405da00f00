//! One bad event, one bad device, a hub that is down: each harms only what it must.

use serde_json::json;

use crate::world::{Options, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_source_is_down_is_pending_and_drained_when_it_is_back() {
    let world = World::start().await;
    world.host_post("/pause").await;
    world.primary.create("waiting").await;
    world.primary.outage("unavailable").await;
    world.host_post("/resume").await;
    world.settle().await;
    assert!(world.secondary.device("waiting").await.is_none());
    let pending = world.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    for member in ["reason", "since", "identity", "eventHub", "partition", "sequenceNumber"] {
        assert!(!pending[0][member].is_null(), "{member} in {pending:?}");
    }
    world.primary.outage("off").await;
    world.sweep().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn twin_changes_of_an_active_hub_that_is_down_are_carried_to_the_standby_in_order() {
    let world = World::start().await;
    world.primary.create("carried").await;
    world
        .primary
        .patch_twin("carried", json!({"tags": {"a": {"b": 1}}, "properties": {"desired": {"n": 0}}}))
        .await;
    world.settle().await;
    world.host_post("/pause").await;
    world.primary.patch_twin("carried", json!({"tags": {"a": null}})).await;
    world.primary.patch_twin("carried", json!({"tags": {"a": {"c": 2}}})).await;
    world.primary.patch_twin("carried", json!({"properties": {"desired": {"n": 1}}})).await;
    world.primary.outage("refuse").await;
    world.host_post("/resume").await;
    world.settle().await;
    let copy = &world.secondary.fleet().await["carried"];
    assert_eq!(copy["tags"], json!({"a": {"c": 2}}), "merge patches do not compose");
    assert_eq!(copy["desired"], json!({"n": 1}));
    world.primary.outage("off").await;
    world.sweep().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_standby_is_down_batches_are_held_and_nothing_is_lost() {
    let world = World::start().await;
    world.primary.create("before").await;
    world.settle().await;
    world.secondary.outage("unavailable").await;
    world.primary.create("during").await;
    world.primary.patch_twin("before", json!({"tags": {"n": 1}})).await;
    world
        .eventually("a batch is held", || async {
            world.secondary.requests().await.iter().any(|request| request["status"] == 503)
        })
        .await;
    world.secondary.outage("off").await;
    world.settle().await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_the_standby_refuses_is_pending_and_its_neighbours_are_done() {
    let world = World::start().await;
    for device in ["good", "bad", "fine"] {
        world.primary.create(device).await;
    }
    world.settle().await;
    let refusal = json!({"method": "PATCH", "pathContains": "/twins/bad", "status": 400, "times": 1000});
    world.secondary.fault(refusal).await;
    for device in ["good", "bad", "fine"] {
        world.primary.patch_twin(device, json!({"tags": {"n": 1}})).await;
    }
    world.settle().await;
    assert_eq!(world.secondary.twin("good").await.unwrap()["tags"]["n"], 1);
    assert_eq!(world.secondary.twin("fine").await.unwrap()["tags"]["n"], 1);
    let pending = world.pending().await;
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0]["identity"]["deviceId"], "bad");
    world.secondary.clear_faults().await;
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?}");
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_cannot_be_understood_are_kept_as_dead_letters_and_stop_nobody() {
    let world = World::start().await;
    let properties = json!({"hubName": "primary", "deviceId": "fine", "opType": "updateTwin", "iothub-message-schema": "twinChangeNotification"});
    let bad: [&[u8]; 6] = [b"", b"not json", &[0xff, 0xfe, 0x00], b"null", b"[]", b"{\"version\":1}"];
    for body in bad {
        world.append("devicetwin", 0, body, json!({})).await;
    }
    world.append("devicetwin", 0, &[0xff, 0xfe], properties).await;
    world.primary.create("fine").await;
    world.settle().await;
    world.assert_hubs_equal().await;
    let letters = world.dead_letters().await;
    assert!(letters.len() >= bad.len(), "{letters:?}");
    assert!(
        letters.iter().all(|letter| !letter["reason"].is_null() && letter["eventHub"] == "devicetwin"),
        "{letters:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_unknown_hub_is_a_dead_letter_and_changes_nothing() {
    let world = World::start().await;
    world.primary.create("mine").await;
    world.settle().await;
    world.secondary.forget_requests().await;
    let body = json!({"version": 3, "tags": {"stranger": true}}).to_string();
    let properties = json!({"hubName": "somebody-elses", "deviceId": "mine", "opType": "updateTwin", "iothub-message-schema": "twinChangeNotification", "operationTimestamp": "2026-11-24T00:00:00+00:00"});
    world.append("devicetwin", 0, body.as_bytes(), properties).await;
    world.settle().await;
    assert!(world.secondary.writes().await.is_empty());
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0]["reason"].as_str().unwrap().to_lowercase().contains("origin"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_of_a_disabled_device_is_pending_until_it_can_be_read() {
    let world = World::start().await;
    world.primary.create("host").await;
    world.settle().await;
    world.host_post("/pause").await;
    world.primary.create_module("host", "late").await;
    world.primary.update("host", json!({"status": "disabled"})).await;
    world.host_post("/resume").await;
    world.settle().await;
    assert!(world.secondary.twin("host/late").await.is_none());
    assert!(!world.pending().await.is_empty());
    world.primary.update("host", json!({"status": "enabled"})).await;
    world.sweep().await;
    world.sweep().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_writing_to_the_standby_is_named_and_put_right() {
    let world = World::start().await;
    world.primary.create("drifting").await;
    world.settle().await;
    world.secondary.patch_twin("drifting", json!({"tags": {"by": "hand"}})).await;
    world.settle().await;
    world.sweep().await;
    world.assert_hubs_equal().await;
    assert_eq!(world.secondary.fleet().await["drifting"]["tags"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_any_log_or_dead_letter() {
    let everything = vec![("HADR_LOG", "trace".to_owned())];
    let world = World::with(Options { environment: everything, ..Options::default() }).await;
    let created = world.primary.create("secretive").await;
    let key = created["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap().to_owned();
    world.append("devicetwin", 0, b"not json", json!({})).await;
    world
        .secondary
        .fault(json!({"method": "POST", "pathContains": "/devices", "status": 500, "times": 2}))
        .await;
    world.settle().await;
    let thread = std::thread::current().name().unwrap_or_default().replace("::", "-");
    let log = crate::world::processes::root().join(format!("target/test-logs/{thread}.host.log"));
    let mut said = std::fs::read_to_string(&log).unwrap_or_default();
    said += &format!("{:?}{:?}", world.dead_letters().await, world.app(&["status"]).await);
    let storage = world.variable("AzureWebJobsStorage").split("AccountKey=").nth(1).unwrap();
    let storage = storage.split(';').next().unwrap();
    let hub = world.variable("iothub1").rsplit("SharedAccessKey=").next().unwrap();
    for secret in [key.as_str(), hub, storage, "sig=", "SharedAccessSignature sr"] {
        assert!(!said.contains(secret), "a key is in the log");
    }
}
