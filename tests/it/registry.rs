//! The device registry is copied one way, whole.

use serde_json::{Value, json};

use crate::world::storage::container;
use crate::world::{Options, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_device_created_on_the_active_hub_appears_on_the_standby_with_the_same_keys() {
    let world = World::start().await;
    let created = world.primary.create("pump-17").await;
    world.settle().await;
    let copy = world.secondary.device("pump-17").await.expect("the device is on the standby");
    assert_eq!(copy["authentication"], created["authentication"]);
    assert_eq!(copy["status"], "enabled");
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_identity_arrives_whole() {
    let world = World::start().await;
    let thumbprint = "A9993E364706816ABA3E25717850C26C9CD0D89D";
    let x509 = json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": thumbprint, "secondaryThumbprint": thumbprint}});
    world.primary.create_with("x509", json!({ "authentication": x509 })).await;
    world.primary.create_with("ca", json!({"authentication": {"type": "certificateAuthority"}})).await;
    world.primary.create_with("off", json!({"status": "disabled", "statusReason": "stolen"})).await;
    world.primary.create_with("edge", json!({"capabilities": {"iotEdge": true}})).await;
    world.primary.create_with("odd", json!({"aMemberFromTheFuture": {"kept": [1, 2.0, "3"]}})).await;
    world.settle().await;
    world.assert_hubs_equal().await;
    let copy = world.secondary.device("x509").await.unwrap();
    assert_eq!(copy["authentication"]["x509Thumbprint"]["primaryThumbprint"], thumbprint);
    let copy = world.secondary.device("off").await.unwrap();
    assert_eq!((&copy["status"], &copy["statusReason"]), (&json!("disabled"), &json!("stolen")));
    assert_eq!(world.secondary.device("edge").await.unwrap()["capabilities"]["iotEdge"], true);
    let copy = world.secondary.device("odd").await.unwrap();
    assert_eq!(copy["aMemberFromTheFuture"], json!({"kept": [1, 2.0, "3"]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_with_every_allowed_character_survive_the_trip() {
    let world = World::start().await;
    let ids = ["a%41b", "q?x=1#frag", "pump:1.2+3_4*5!(6),7=8@9;$'", "100%"];
    for id in ids {
        world.primary.create(id).await;
        world.primary.patch_twin(id, json!({"tags": {"id": id}})).await;
    }
    world.settle().await;
    for id in ids {
        assert_eq!(world.secondary.twin(id).await.unwrap()["tags"]["id"], *id);
    }
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_created_with_a_twin_arrives_with_tags_desired_and_reported() {
    let world = World::start().await;
    world.primary.create("full").await;
    let patch = json!({"tags": {"site": {"row": [1, {"a": null_free()}]}}, "properties": {"desired": {"rate": 5, "deep": {"x": 1.0}}}});
    world.primary.patch_twin("full", patch).await;
    world.settle().await;
    world.assert_hubs_equal().await;
}

fn null_free() -> Value {
    json!({"kept": "as it is"})
}

#[tokio::test(flavor = "multi_thread")]
async fn two_events_in_one_body_are_two_devices() {
    let world = World::start().await;
    world.events(json!({"eventHub": "registry", "mode": "drop", "times": 2})).await;
    world.events(json!({"eventHub": "devicetwin", "mode": "drop", "times": 2})).await;
    world.primary.create("one").await;
    world.primary.create("two").await;
    world.settle().await;
    assert!(world.secondary.device("one").await.is_none(), "no event, no copy");
    let event = |device: &str| {
        json!({
            "id": device, "topic": "", "subject": format!("devices/{device}"), "eventType": "Microsoft.Devices.DeviceCreated",
            "eventTime": "2026-11-24T00:00:00Z", "dataVersion": "1", "metadataVersion": "1",
            "data": {"hubName": "PRIMARY", "deviceId": device},
        })
    };
    let body = json!([event("one"), event("two")]).to_string();
    world.append("registry", 0, body.as_bytes(), json!({})).await;
    world.settle().await;
    world.assert_hubs_equal().await;
    assert!(world.secondary.device("two").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_event_is_understood_as_well() {
    let world = World::start().await;
    world.events(json!({"eventHub": "registry", "mode": "drop", "times": 1})).await;
    world.events(json!({"eventHub": "devicetwin", "mode": "drop", "times": 1})).await;
    world.primary.create("cloudy").await;
    let body = json!({
        "id": "1", "source": "/subscriptions/0/providers/Microsoft.Devices/IotHubs/primary", "specversion": "1.0",
        "type": "Microsoft.Devices.DeviceCreated", "subject": "devices/cloudy", "time": "2026-11-24T00:00:00Z",
        "data": {"hubName": "primary", "deviceId": "cloudy"},
    });
    world.append("registry", 1, body.to_string().as_bytes(), json!({})).await;
    world.settle().await;
    assert!(world.secondary.device("cloudy").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_come_and_go_and_never_touch_the_twin_of_their_device() {
    let world = World::start().await;
    world.primary.create("gateway").await;
    let module = world.primary.create_module("gateway", "camera").await;
    world.primary.patch_twin("gateway", json!({"properties": {"desired": {"whose": "device"}}})).await;
    world
        .primary
        .patch_twin(
            "gateway/camera",
            json!({"tags": {"t": 1}, "properties": {"desired": {"whose": "module"}}}),
        )
        .await;
    world.settle().await;
    world.assert_hubs_equal().await;
    let fleet = world.secondary.fleet().await;
    assert_eq!(fleet["gateway/camera"]["authentication"], module["authentication"]);
    assert_eq!(fleet["gateway"]["desired"], json!({"whose": "device"}));
    assert_eq!(fleet["gateway/camera"]["desired"], json!({"whose": "module"}));
    world.primary.delete_module("gateway", "camera").await;
    world.settle().await;
    assert!(world.secondary.twin("gateway/camera").await.is_none());
    assert!(world.secondary.device("gateway").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_device_is_removed_and_leaves_a_snapshot_to_undo_from() {
    let world = World::start().await;
    let created = world.primary.create("gone").await;
    world.primary.create_module("gone", "part").await;
    world.primary.patch_twin("gone", json!({"tags": {"site": "A"}})).await;
    world.settle().await;
    world.primary.delete("gone").await;
    world.settle().await;
    world.sweep().await;
    assert!(world.secondary.device("gone").await.is_none());
    assert!(world.secondary.twin("gone/part").await.is_none());
    let storage = container(&world);
    let snapshots = storage.list("snapshots/").await;
    let of_device = snapshots.iter().find(|name| !name.contains("part")).expect("a snapshot of the device");
    let kept = String::from_utf8(storage.get(of_device).await.unwrap()).unwrap();
    let key = created["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    assert!(kept.contains(key) && kept.contains("\"site\""), "keys and twin are in the snapshot");
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_event_of_a_device_that_exists_deletes_nothing() {
    let world = World::start().await;
    world.primary.create("alive").await;
    world.settle().await;
    let body = json!([{
        "id": "late", "topic": "", "subject": "devices/alive", "eventType": "Microsoft.Devices.DeviceDeleted",
        "eventTime": "2026-11-24T00:00:00Z", "dataVersion": "1", "metadataVersion": "1",
        "data": {"hubName": "primary", "deviceId": "alive"},
    }]);
    world.append("registry", 2, body.to_string().as_bytes(), json!({})).await;
    world.settle().await;
    assert!(world.secondary.device("alive").await.is_some());
    assert_eq!(world.secondary.count("DELETE").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_created_again_with_new_keys_ends_with_the_new_keys_in_either_event_order() {
    for order in ["forward", "reverse"] {
        let world = World::start().await;
        world.primary.create("again").await;
        world.primary.patch_twin("again", json!({"tags": {"life": "first"}})).await;
        world.settle().await;
        for event_hub in ["registry", "devicetwin"] {
            world.events(json!({"eventHub": event_hub, "mode": "hold", "times": 100})).await;
        }
        world.primary.delete("again").await;
        let second = world.primary.create("again").await;
        world.release_events(order).await;
        world.settle().await;
        let copy = world.secondary.device("again").await.expect("the second life is on the standby");
        assert_eq!(copy["authentication"], second["authentication"], "{order}");
        world.assert_hubs_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_beyond_the_budget_are_pending_and_not_done() {
    let environment = vec![("HADR_DELETES_PER_HOUR", "3".to_owned())];
    let world = World::with(Options { environment, ..Options::default() }).await;
    for n in 0..6 {
        world.primary.create(&format!("d{n}")).await;
    }
    world.settle().await;
    for n in 0..6 {
        world.primary.delete(&format!("d{n}")).await;
    }
    world.settle().await;
    assert_eq!(world.secondary.fleet().await.len(), 3, "three deletes an hour, the others wait");
    let pending = world.pending().await;
    assert_eq!(pending.len(), 3, "{pending:?}");
    assert!(pending.iter().all(|note| note["reason"].as_str().unwrap().contains("budget")), "{pending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standby_is_not_wiped_when_the_active_hub_is_down() {
    let world = World::start().await;
    for n in 0..5 {
        world.primary.create(&format!("d{n}")).await;
    }
    world.settle().await;
    for mode in ["refuse", "unavailable"] {
        world.primary.outage(mode).await;
        for n in 0..5 {
            let body = json!([{
                "id": n.to_string(), "topic": "", "subject": format!("devices/d{n}"), "eventType": "Microsoft.Devices.DeviceDeleted",
                "eventTime": "2026-11-24T00:00:00Z", "dataVersion": "1", "metadataVersion": "1",
                "data": {"hubName": "primary", "deviceId": format!("d{n}")},
            }]);
            world.append("registry", 0, body.to_string().as_bytes(), json!({})).await;
        }
        world.settle().await;
        world.primary.outage("off").await;
        assert_eq!(world.secondary.count("DELETE").await, 0, "{mode}");
        assert_eq!(world.secondary.fleet().await.len(), 5, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_hub_that_answers_401_or_404_to_everything_deletes_nothing() {
    // Throttled calls are tried again for as long as the invocation lasts.
    let environment = vec![("HADR_INVOCATION_SECONDS", "10".to_owned())];
    let world = World::with(Options { environment, ..Options::default() }).await;
    world.primary.create("kept").await;
    world.settle().await;
    let not_found = json!({"Message": "ErrorCode:DeviceNotFound;x", "ExceptionMessage": "Tracking ID:0"});
    for (status, body) in [(401, Value::Null), (404, Value::Null), (404, not_found), (429, Value::Null)] {
        let fault =
            json!({"method": "GET", "pathContains": "/", "status": status, "body": body, "times": 1000});
        world.primary.fault(fault).await;
        let event = json!([{
            "id": "x", "topic": "", "subject": "devices/kept", "eventType": "Microsoft.Devices.DeviceDeleted",
            "eventTime": "2026-11-24T00:00:00Z", "dataVersion": "1", "metadataVersion": "1",
            "data": {"hubName": "primary", "deviceId": "kept"},
        }]);
        world.append("registry", 0, event.to_string().as_bytes(), json!({})).await;
        world.settle().await;
        world.primary.clear_faults().await;
        assert_eq!(world.secondary.count("DELETE").await, 0, "{status}");
        assert!(world.secondary.device("kept").await.is_some(), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_keeps_its_parent_though_scopes_differ_between_hubs() {
    let world = World::start().await;
    let edge = world.primary.create_with("edge", json!({"capabilities": {"iotEdge": true}})).await;
    world.settle().await;
    let scope = edge["deviceScope"].as_str().expect("an edge device has a scope");
    world.primary.create_with("leaf", json!({ "deviceScope": scope })).await;
    world.settle().await;
    let parent = world.secondary.device("edge").await.unwrap();
    let leaf = world.secondary.device("leaf").await.expect("the leaf is on the standby");
    assert_ne!(parent["deviceScope"], edge["deviceScope"], "every hub makes its own scopes");
    assert_eq!(leaf["deviceScope"], parent["deviceScope"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaf_whose_parent_is_not_there_yet_is_pending_until_it_is() {
    let world = World::start().await;
    for event_hub in ["registry", "devicetwin"] {
        world.events(json!({"eventHub": event_hub, "mode": "drop", "times": 1})).await;
    }
    let edge = world.primary.create_with("edge", json!({"capabilities": {"iotEdge": true}})).await;
    world.primary.create_with("leaf", json!({ "deviceScope": edge["deviceScope"] })).await;
    world.settle().await;
    if world.secondary.device("edge").await.is_none() {
        let pending = world.pending().await;
        assert!(pending.iter().any(|note| note["identity"]["deviceId"] == "leaf"), "{pending:?}");
        world.primary.patch_twin("edge", json!({"tags": {"seen": true}})).await;
        world.settle().await;
    }
    world.sweep().await;
    let parent = world.secondary.device("edge").await.expect("the parent came with its twin change");
    assert_eq!(world.secondary.device("leaf").await.unwrap()["deviceScope"], parent["deviceScope"]);
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_disabled_on_the_active_hub_is_disabled_with_its_next_event_before_anything_else() {
    let world = World::start().await;
    world.primary.create("stolen").await;
    world.settle().await;
    world.primary.update("stolen", json!({"status": "disabled", "statusReason": "stolen"})).await;
    world.secondary.forget_requests().await;
    world.primary.patch_twin("stolen", json!({"tags": {"lost": true}})).await;
    world.settle().await;
    world.assert_hubs_equal().await;
    let writes = world.secondary.writes().await;
    assert_eq!(writes, ["PUT /devices/stolen", "PATCH /twins/stolen"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_travels_with_the_next_event_and_keys_are_never_minted_anew() {
    let world = World::start().await;
    world.primary.create("rotated").await;
    world.settle().await;
    // The pair of ETags is known from the first change on.
    world.primary.patch_twin("rotated", json!({"tags": {"n": 1}})).await;
    world.settle().await;
    let key = "bm90LWEtc2VjcmV0LWp1c3QtYS10ZXN0LXZhbHVlLTAwMQ==";
    let keys = json!({"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": key}});
    world.primary.update("rotated", json!({ "authentication": keys })).await;
    world.primary.patch_twin("rotated", json!({"tags": {"n": 2}})).await;
    world.settle().await;
    let copy = world.secondary.device("rotated").await.unwrap();
    assert_eq!(copy["authentication"]["symmetricKey"]["primaryKey"], key);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_thumbprint_and_a_changed_kind_of_authentication_travel_with_the_next_event() {
    let world = World::start().await;
    let (old, new) = ("A9993E364706816ABA3E25717850C26C9CD0D89D", "84983E441C3BD26EBAAE4AA1F95129E5E54670F1");
    let x509 = |thumbprint: &str| {
        let thumbprints = json!({"primaryThumbprint": thumbprint, "secondaryThumbprint": thumbprint});
        json!({"authentication": {"type": "selfSigned", "x509Thumbprint": thumbprints}})
    };
    world.primary.create_with("certified", x509(old)).await;
    world.primary.create("converted").await;
    world.settle().await;
    world.primary.update("certified", x509(new)).await;
    world.primary.update("converted", x509(new)).await;
    for device in ["certified", "converted"] {
        world.primary.patch_twin(device, json!({"tags": {"seen": true}})).await;
    }
    world.settle().await;
    for device in ["certified", "converted"] {
        let copy = world.secondary.device(device).await.unwrap();
        assert_eq!(copy["authentication"]["x509Thumbprint"]["primaryThumbprint"], new, "{device}");
    }
    world.assert_hubs_equal().await;
}
