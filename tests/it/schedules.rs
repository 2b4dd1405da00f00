//! Orders of events, answers and deaths that must all end right.

use serde_json::{Value, json};

use crate::world::handler::{grid_event, twin_event};
use crate::world::storage::{Container, container};
use crate::world::weather::as_few_calls;
use crate::world::{Options, World};

/// A world without a host, in which the test delivers the batches itself.
async fn by_hand() -> World {
    let world = World::with(Options { host: false, partitions: 1, ..Options::default() }).await;
    let init = world.app(&["init"]).await;
    assert_eq!(init.code, 0, "{init:?}");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_the_hub_queued_and_applied_after_a_newer_one_is_fenced_by_its_etag() {
    let world = World::start().await;
    world.primary.create("late").await;
    world.settle().await;
    let queued =
        json!({"method": "PATCH", "pathContains": "/twins/late", "holdUntilReleased": true, "times": 1});
    world.secondary.fault(queued).await;
    world.primary.patch_twin("late", json!({"tags": {"n": 1}})).await;
    world.settle().await;
    world.primary.patch_twin("late", json!({"tags": {"n": 2}})).await;
    world.settle().await;
    world.secondary.control_post("/faults/release", json!({})).await;
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.secondary.fleet().await["late"]["tags"], json!({"n": 2}), "the old write came too late");
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_moves_in_the_middle_of_a_batch_changes_nothing_in_the_end() {
    let world = World::start().await;
    for n in 0..30 {
        world.primary.create(&format!("d{n}")).await;
    }
    for path in ["registry-sync", "twin-sync"] {
        for partition in 0..4 {
            world.host_post(&format!("/partitions/{path}/{partition}/move")).await;
        }
    }
    for n in 0..30 {
        world.primary.patch_twin(&format!("d{n}"), json!({"tags": {"n": n}})).await;
    }
    for partition in 0..4 {
        world.host_post(&format!("/partitions/twin-sync/{partition}/move")).await;
    }
    world.settle().await;
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_batch_delivered_again_after_newer_state_changes_nothing() {
    let world = by_hand().await;
    let handler = world.handler("first").await;
    world.primary.create("again").await;
    world.primary.patch_twin("again", json!({"tags": {"n": 1}})).await;
    let old = world.log("devicetwin", 0).await;
    assert_eq!(handler.deliver("devicetwin", 0, &old).await.0, 200);
    world.primary.patch_twin("again", json!({"tags": {"n": 2}})).await;
    let all = world.log("devicetwin", 0).await;
    assert_eq!(handler.deliver("devicetwin", 0, &all[old.len()..]).await.0, 200);
    world.assert_hubs_equal().await;
    world.secondary.forget_requests().await;
    // A new process, which remembers nothing, is given everything again.
    let second = world.handler("second").await;
    for _ in 0..2 {
        assert_eq!(second.deliver("devicetwin", 0, &all).await.0, 200);
    }
    assert!(world.secondary.writes().await.is_empty(), "{:?}", world.secondary.writes().await);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_batch_delivered_again_while_the_source_is_down_does_not_undo_newer_changes() {
    let world = by_hand().await;
    let handler = world.handler("first").await;
    world.primary.create("carried").await;
    let created = world.log("devicetwin", 0).await;
    assert_eq!(handler.deliver("devicetwin", 0, &created).await.0, 200);
    world.primary.outage("unavailable").await;
    let change = |n: i64, sequence: i64| {
        let body = json!({"version": 2 + n, "tags": {"n": n}});
        twin_event("primary", "carried", &body, "2026-11-24T00:00:00+00:00", sequence)
    };
    let first = [change(1, 100)];
    let later = [change(2, 101), change(3, 102)];
    assert_eq!(handler.deliver("devicetwin", 0, &first).await.0, 200);
    assert_eq!(handler.deliver("devicetwin", 0, &later).await.0, 200);
    let second = world.handler("second").await;
    assert_eq!(second.deliver("devicetwin", 0, &first).await.0, 200);
    assert_eq!(world.secondary.twin("carried").await.unwrap()["tags"]["n"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_delete_event_never_deletes_the_second_life_of_a_device() {
    for same_keys in [true, false] {
        for reversed in [false, true] {
            let world = by_hand().await;
            let handler = world.handler("h").await;
            let first = world.primary.create("phoenix").await;
            let created = [grid_event("primary", "phoenix", "DeviceCreated", 0)];
            assert_eq!(handler.deliver("registry", 0, &created).await.0, 200);
            world.primary.delete("phoenix").await;
            let members = match same_keys {
                true => json!({"authentication": first["authentication"]}),
                false => json!({}),
            };
            let second = world.primary.create_with("phoenix", members).await;
            let mut events = vec![
                grid_event("primary", "phoenix", "DeviceDeleted", 1),
                grid_event("primary", "phoenix", "DeviceCreated", 2),
            ];
            if reversed {
                events.reverse();
            }
            for event in events {
                let (status, answer) = handler.deliver("registry", 0, &[event]).await;
                assert_eq!(status, 200, "{answer}");
            }
            let copy = world.secondary.device("phoenix").await.expect("alive");
            assert_eq!(
                copy["authentication"], second["authentication"],
                "same keys {same_keys}, reversed {reversed}"
            );
            world.assert_hubs_equal().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_handlers_given_the_same_batch_at_once_end_with_equal_hubs() {
    let world = by_hand().await;
    let (one, two) = (world.handler("one").await, world.handler("two").await);
    for n in 0..20 {
        world.primary.create(&format!("d{n}")).await;
        world.primary.patch_twin(&format!("d{n}"), json!({"tags": {"n": n}})).await;
    }
    let batch = world.log("devicetwin", 0).await;
    let (first, second) =
        tokio::join!(one.deliver("devicetwin", 0, &batch), two.deliver("devicetwin", 0, &batch));
    assert_eq!((first.0, second.0), (200, 200), "{first:?} {second:?}");
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_record_nothing_is_written_and_init_comes_back_above_the_last_epoch() {
    lost_at_epoch_7(|storage| async move { storage.delete("routing-record.json").await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_container_nothing_is_written_and_init_comes_back_above_the_last_epoch() {
    lost_at_epoch_7(|storage| async move { storage.drop_container().await }).await;
}

async fn lost_at_epoch_7<F: Future<Output = ()>>(lose: impl FnOnce(Container) -> F) {
    let environment = vec![("HADR_LEASE_SECONDS", "2".to_owned())];
    let world = World::with(Options { environment, host: false, partitions: 1, ..Options::default() }).await;
    assert_eq!(world.app(&["init"]).await.code, 0);
    for epoch in 2..=7 {
        let to = if epoch % 2 == 0 { "secondary" } else { "primary" };
        let ran = world.app(&["promote", "--to", to, "--reason", "counting", "--force", "--yes"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    container(&world).end_rejoining().await;
    let handler = world.handler("h").await;
    world.primary.create("before").await;
    let events = [grid_event("primary", "before", "DeviceCreated", 0)];
    assert_eq!(handler.deliver("registry", 0, &events).await.0, 200);
    lose(container(&world)).await;
    world
        .eventually("the handler's lease has run out", || async {
            handler.deliver("registry", 0, &events).await.0 >= 500
        })
        .await;
    world.primary.create("during").await;
    world.secondary.forget_requests().await;
    assert!(
        handler.deliver("registry", 0, &[grid_event("primary", "during", "DeviceCreated", 1)]).await.0 >= 500
    );
    assert!(world.secondary.writes().await.is_empty());
    let answer = world.get_json(&format!("{}/api/hub-router/x", handler.url)).await;
    assert_eq!((&answer["hub"], &answer["stale"]), (&json!("primary"), &json!(true)));
    // A fresh process does not make a first record either: the witness stands.
    let fresh = world.handler("fresh").await;
    assert!(fresh.deliver("registry", 0, &events).await.0 >= 500);
    assert_eq!(world.app(&["init"]).await.code, 0);
    let status = world.app_json(&["status", "--json"]).await.to_string();
    assert!(status.contains("\"epoch\":8"), "{status}");
    world
        .eventually("the lease is back", || async {
            handler.deliver("registry", 0, &[grid_event("primary", "during", "DeviceCreated", 1)]).await.0
                == 200
        })
        .await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_200_device_batch_does_not_open_200_connections() {
    let world = by_hand().await;
    let handler = world.handler("h").await;
    for n in 0..200 {
        world.primary.create(&format!("d{n}")).await;
    }
    let before = world.secondary.connections().await["opened"].as_u64().unwrap();
    let events: Vec<Value> =
        (0..200).map(|n| grid_event("primary", &format!("d{n}"), "DeviceCreated", n)).collect();
    assert_eq!(handler.deliver("registry", 0, &events).await.0, 200);
    let opened = world.secondary.connections().await["opened"].as_u64().unwrap() - before;
    // As many as are in flight, and the few more that the pool opens while the first ones are made.
    assert!(opened < 100, "{opened} connections");
    world.assert_hubs_equal().await;
    let bulk = world.secondary.count("POST").await;
    assert!(as_few_calls(bulk, 8), "{bulk} bulk writes for 200 devices");
}
