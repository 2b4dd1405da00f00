//! Events of both hubs in one batch, events out of order, and accidents in storage.

use serde_json::json;

use crate::world::handler::{LATER, grid_event, twin_event, with_a_device, with_a_device_in};
use crate::world::{Options, World, storage};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_standby_is_put_right_beside_a_second_notice_of_the_creation() {
    let world = with_a_device("seen", Vec::new()).await;
    let handler = world.handler("both").await;
    let created = grid_event("primary", "seen", "DeviceCreated", 1);
    assert_eq!(handler.deliver("registry", 0, std::slice::from_ref(&created)).await.0, 200);
    world.secondary.patch_twin("seen", json!({"tags": {"strange": 1}})).await;
    let strange = world.last_told(&world.secondary, "seen").await;
    // The process knows the pair of entries to be equal, and reads both twins all the same.
    assert_eq!(handler.deliver("registry", 0, &[created, strange]).await.0, 200);
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_made_again_on_the_standby_by_somebody_else_gets_its_own_keys_back() {
    let world = with_a_device("remade", Vec::new()).await;
    let handler = world.handler("remade").await;
    let created = grid_event("primary", "remade", "DeviceCreated", 1);
    assert_eq!(handler.deliver("registry", 0, &[created]).await.0, 200);
    world.secondary.delete("remade").await;
    world.secondary.create("remade").await;
    let events = [
        grid_event("secondary", "remade", "DeviceDeleted", 2),
        grid_event("secondary", "remade", "DeviceCreated", 3),
    ];
    assert_eq!(handler.deliver("registry", 0, &events).await.0, 200);
    assert_eq!(world.pending().await.len(), 1);
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_delete_event_does_not_stop_changes_from_being_carried() {
    let world = with_a_device("second-life", Vec::new()).await;
    let handler = world.handler("carried").await;
    world.primary.delete("second-life").await;
    world.primary.create("second-life").await;
    let of_route = world.told("devicetwin", &world.primary, "second-life").await;
    assert_eq!(handler.deliver("devicetwin", 0, &of_route).await.0, 200);
    world.primary.patch_twin("second-life", json!({"tags": {"n": 1}})).await;
    world.primary.outage("refuse").await;
    // Event Grid tells late of the life before.
    let of_grid = world.told("registry", &world.primary, "second-life").await;
    assert_eq!(handler.deliver("registry", 0, &of_grid[1..2]).await.0, 200);
    let change = world.last_told(&world.primary, "second-life").await;
    assert_eq!(handler.deliver("devicetwin", 0, &[change]).await.0, 200);
    assert_eq!(world.secondary.twin("second-life").await.unwrap()["tags"]["n"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_invocation_had_no_time_to_read_is_carried_later() {
    let short = vec![("HADR_INVOCATION_SECONDS", "5".to_owned())];
    let world = with_a_device("hanging", short).await;
    let handler = world.handler("short").await;
    let created = grid_event("primary", "hanging", "DeviceCreated", 1);
    assert_eq!(handler.deliver("registry", 0, &[created]).await.0, 200);
    world.primary.outage("hang").await;
    let change = twin_event("primary", "hanging", &json!({"version": 3, "tags": {"n": 1}}), LATER, 7);
    assert_eq!(handler.deliver("devicetwin", 0, &[change]).await.0, 200);
    assert_eq!(world.pending().await.len(), 1);
    world.primary.outage("refuse").await;
    world.app(&["pending", "retry"]).await;
    assert_eq!(world.secondary.twin("hanging").await.unwrap()["tags"]["n"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_note_that_cannot_be_read_holds_up_nobody() {
    let world = with_a_device("noted", Vec::new()).await;
    storage::container(&world).put("pending/noted.json", b"not a note").await;
    let handler = world.handler("noted").await;
    let created = grid_event("primary", "noted", "DeviceCreated", 1);
    let (status, answer) = handler.deliver("registry", 0, &[created]).await;
    assert_eq!(status, 200, "{answer}");
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_request_refused_as_a_whole_harms_no_other_device_and_the_one_it_was_refused_for_is_made_alone()
 {
    let world = with_a_device("d0", Vec::new()).await;
    for n in 1..4 {
        world.primary.create(&format!("d{n}")).await;
    }
    let body = json!({"Message": "ErrorCode:ArgumentInvalid;BadRequest", "ExceptionMessage": ""});
    let refuse =
        json!({"method": "POST", "pathContains": "/devices", "status": 400, "body": body, "times": 3});
    world.secondary.fault(refuse).await;
    let handler = world.handler("bulk").await;
    let created: Vec<_> =
        (0..4).map(|n| grid_event("primary", &format!("d{n}"), "DeviceCreated", n)).collect();
    assert_eq!(handler.deliver("registry", 0, &created).await.0, 200);
    assert!(world.pending().await.is_empty(), "{:?}", world.pending().await);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_event_at_the_place_of_a_dead_letter_is_kept_as_well() {
    let world = with_a_device("unused", Vec::new()).await;
    let handler = world.handler("letters").await;
    let event = |n: i64| twin_event("nobody", "d", &json!({"version": n}), LATER, 4);
    for n in [1, 2, 1, 2] {
        assert_eq!(handler.deliver("devicetwin", 0, &[event(n)]).await.0, 200);
    }
    assert_eq!(world.dead_letters().await.len(), 2);
}

/// Stands before storage, and can be told to let nothing through.
async fn gate(world: &World) -> (String, std::sync::Arc<std::sync::atomic::AtomicBool>) {
    let open = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let storage = world.variable("AzureWebJobsStorage").to_owned();
    let behind = storage.split("BlobEndpoint=http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (through, place) = (open.clone(), behind.clone());
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let (open, behind) = (through.clone(), place.clone());
            tokio::spawn(async move {
                let Ok(mut storage) = tokio::net::TcpStream::connect(behind).await else { return };
                let closed = async {
                    while open.load(std::sync::atomic::Ordering::Relaxed) {
                        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    }
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut caller, &mut storage) => {}
                    () = closed => {}
                }
            });
        }
    });
    (storage.replace(&behind, &address), open)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_storage_is_down_nothing_that_would_be_pending_is_acknowledged() {
    let mut world = with_a_device("kept", Vec::new()).await;
    let (storage, open) = gate(&world).await;
    for (name, value) in &mut world.environment {
        if name == "AzureWebJobsStorage" {
            *value = storage.clone();
        }
    }
    world.environment.push(("HADR_LOG".to_owned(), "trace".to_owned()));
    let handler = world.handler("storage").await;
    let created = grid_event("primary", "kept", "DeviceCreated", 1);
    assert_eq!(handler.deliver("registry", 0, &[created]).await.0, 200);
    open.store(false, std::sync::atomic::Ordering::Relaxed);
    world.primary.outage("refuse").await;
    let change = twin_event("primary", "kept", &json!({"version": 3, "tags": {"n": 1}}), LATER, 7);
    let unknown = twin_event("nobody", "kept", &json!({"version": 3}), LATER, 8);
    assert_eq!(handler.deliver("devicetwin", 0, std::slice::from_ref(&change)).await.0, 503);
    assert_eq!(handler.deliver("devicetwin", 0, std::slice::from_ref(&unknown)).await.0, 503);
    assert!(
        world.secondary.twin("kept").await.unwrap()["tags"].get("n").is_none(),
        "written before the note"
    );
    open.store(true, std::sync::atomic::Ordering::Relaxed);
    world
        .eventually("accepted", async || {
            handler.deliver("devicetwin", 0, &[change.clone(), unknown.clone()]).await.0 == 200
        })
        .await;
    assert_eq!(world.secondary.twin("kept").await.unwrap()["tags"]["n"], 1);
    assert_eq!((world.pending().await.len(), world.dead_letters().await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_twin_follows_though_the_registry_of_the_standby_throttles() {
    // A refusal means a pause of 10 s, longer than this batch lasts.
    let environment = vec![("HADR_INVOCATION_SECONDS", "8".to_owned())];
    let world = with_a_device_in(Options { environment, tier: None, ..Options::default() }, "calm").await;
    let created = grid_event("primary", "calm", "DeviceCreated", 1);
    let first = world.handler("first").await;
    assert_eq!(first.deliver("registry", 0, std::slice::from_ref(&created)).await.0, 200);
    world.primary.patch_twin("calm", json!({"tags": {"n": 1}})).await;
    let refuse = json!({"method": "GET", "pathContains": "/devices/calm", "status": 429, "times": 1});
    world.secondary.fault(refuse).await;
    // Another process, which does not know the pair of entries to be equal.
    let second = world.handler("second").await;
    let changed = twin_event("primary", "calm", &json!({"version": 3, "tags": {"n": 1}}), LATER, 7);
    assert_eq!(second.deliver("registry", 0, &[created, changed]).await.0, 200);
    assert_eq!(world.secondary.twin("calm").await.unwrap()["tags"]["n"], 1);
    let pending = world.pending().await;
    assert_eq!(pending.first().map(|note| note["reason"].clone()), Some(json!("throttled")), "{pending:?}");
    assert_eq!(world.app(&["pending", "retry"]).await.code, 0);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_carried_before_a_promotion_that_was_given_up_still_owes_a_comparison() {
    let long = vec![("HADR_LEASE_SECONDS", "20".to_owned())];
    let world = with_a_device("back-again", long).await;
    let handler = world.handler("given-up").await;
    let created = grid_event("primary", "back-again", "DeviceCreated", 1);
    assert_eq!(handler.deliver("registry", 0, &[created]).await.0, 200);
    world.primary.outage("refuse").await;
    let change = twin_event("primary", "back-again", &json!({"version": 3, "tags": {"n": 1}}), LATER, 7);
    assert_eq!(handler.deliver("devicetwin", 0, &[change]).await.0, 200);
    let begun = world.app(&["promote", "--to", "secondary", "--force", "--reason", "lost"]);
    let given_up = async {
        world
            .eventually("promoting", async || {
                storage::container(&world).record().await["phase"] == "promoting"
            })
            .await;
        world.app(&["promote", "--to", "primary", "--reason", "not lost"]).await
    };
    let (_, given_up) = tokio::join!(begun, given_up);
    assert_eq!(given_up.code, 0, "{given_up:?}");
    world.primary.outage("off").await;
    world.primary.patch_twin("back-again", json!({"tags": {"n": 5, "m": 1}})).await;
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?} {:?}", world.pending().await);
    world.assert_hubs_equal().await;
    assert_eq!(world.primary.twin("back-again").await.unwrap()["tags"], json!({"n": 5, "m": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_properties_that_a_bulk_create_drops_are_written_as_the_device() {
    let world = World::start().await;
    let url = format!("{}/switches", world.control);
    let other = json!({"bulkCreateHonoursReported": false, "twinEventsCarryNulls": false});
    let set = world.http.post(url).json(&other).send().await.unwrap();
    assert!(set.status().is_success(), "{}", set.text().await.unwrap());
    world.host_post("/pause").await;
    world.primary.create("plain").await;
    let mut device = world.connect(&world.primary, "plain").await;
    device.report(&json!({"fw": "1", "old": true})).await;
    world.host_post("/resume").await;
    world.settle().await;
    world.assert_hubs_equal().await;
    device.report(&json!({"old": null})).await;
    world.primary.patch_twin("plain", json!({"tags": {"a": 1, "b": 2}})).await;
    world.primary.patch_twin("plain", json!({"tags": {"a": null}})).await;
    world.settle().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_everything_pending_leaves_nobody_out() {
    let world = with_a_device("zebra", Vec::new()).await;
    let container = storage::container(&world);
    let names: Vec<String> = (0..300).map(|n| format!("pending/nobody-{n}.json")).collect();
    for some in names.chunks(50) {
        futures::future::join_all(some.iter().map(|name| container.put(name, b"{}"))).await;
    }
    container.put("pending/zebra.json", b"{}").await;
    let retried = world.app_json(&["pending", "retry", "--json"]).await;
    assert_eq!(retried, json!([{"tried": 301, "resolved": 301, "stillPending": 0}]));
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_no_error_of_a_refused_bulk_request_names_are_looked_at_and_created() {
    let world = World::start().await;
    world.host_post("/pause").await;
    for device in ["named", "silent-1", "silent-2"] {
        world.primary.create(device).await;
    }
    let errors = json!([{"deviceId": "named", "errorCode": "ServerError", "errorStatus": "not today"}]);
    let refused = json!({"isSuccessful": false, "errors": errors, "warnings": []});
    let fault =
        json!({"method": "POST", "pathContains": "/devices", "status": 400, "body": refused, "times": 1});
    world.secondary.fault(fault).await;
    world.host_post("/resume").await;
    world.settle().await;
    world.sweep().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}
