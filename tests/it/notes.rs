//! Pending notes: what they cost while a hub is away, and what one of them can do to the others.

use std::time::Duration;

use serde_json::{Value, json};

use crate::switching::with_a_copy;
use crate::world::Options;
use crate::world::World;
use crate::world::azurite::Azurite;
use crate::world::handler::{Handler, with_a_device, with_a_device_in};
use crate::world::hub::Hub;
use crate::world::news::quick;
use crate::world::relay::Relay;
use crate::world::storage::container;

/// Devices whose changes are carried while the active hub is away.
const CARRIED: usize = 300;

fn id(n: usize) -> String {
    format!("carried-{n:03}")
}

/// How often a hub was asked for a device's twin or entry, probes apart.
async fn reads(hub: &Hub) -> usize {
    hub.count("GET").await
}

/// Many devices with carried changes: the active hub is down, the standby holds every value, and each has its note.
async fn with_carried_changes() -> World {
    let world = with_a_device(&id(0), quick()).await;
    for n in 1..CARRIED {
        world.primary.create(&id(n)).await;
    }
    let handler = world.handler("carrying").await;
    world.hand_over_all(&handler).await;
    let before = world.log("devicetwin", 0).await.len();
    for n in 0..CARRIED {
        world.primary.patch_twin(&id(n), json!({"tags": {"n": n}})).await;
    }
    let changes = world.log("devicetwin", 0).await.split_off(before);
    world.primary.outage("refuse").await;
    world.hand_over(&handler, "devicetwin", &changes).await;
    let fleet = world.secondary.fleet().await;
    assert!((0..CARRIED).all(|n| fleet[&id(n)]["tags"]["n"] == n));
    assert_eq!(world.pending().await.len(), CARRIED);
    drop(handler);
    world
}

/// A handler whose duties look every second.
async fn eager(world: &mut World) -> Handler {
    world.set_variable("HADR_SWEEP_EVERY_SECONDS", "1");
    world.handler("eager").await
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_that_wait_for_a_hub_that_is_down_cost_nothing_on_either_hub() {
    let mut world = with_carried_changes().await;
    let _handler = eager(&mut world).await;
    // The first pause of a note is over then.
    tokio::time::sleep(Duration::from_secs(7)).await;
    world.secondary.forget_requests().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(reads(&world.secondary).await, 0, "{:?}", world.secondary.requests().await.first());
    assert!(world.secondary.writes().await.is_empty());
    let notes = world.pending().await;
    assert_eq!(notes.len(), CARRIED);
    assert!(
        notes.iter().all(|note| note["attempts"] == 1 && note["waitsFor"] == "primary"),
        "{:?}",
        notes[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_forced_promotion_one_look_settles_what_needs_no_dead_hub_and_nothing_is_read_any_more() {
    let mut world = with_carried_changes().await;
    world.promote("secondary", &["--force"]).await;
    world.secondary.forget_requests().await;
    let _handler = eager(&mut world).await;
    world.eventually("nothing is pending", async || world.pending().await.is_empty()).await;
    let cost = reads(&world.secondary).await;
    assert!(cost <= 2 * CARRIED, "{cost} reads for {CARRIED} notes");
    world.secondary.forget_requests().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(reads(&world.secondary).await, 0, "{:?}", world.secondary.requests().await.first());
    assert!(world.secondary.writes().await.is_empty());
}

/// Notes that no program of this version wrote.
fn unreadable() -> [(&'static str, String); 3] {
    let deep = format!("{{\"id\":\"deep\",\"identity\":{}1{}}}", "{\"a\":".repeat(100), "}".repeat(100));
    let newer = json!({"id": "newer", "version": 99, "device": {"id": "newer"}, "why": "of a later version"});
    let edited = json!({"id": "edited", "identity": {"deviceId": "somebody-else"}, "reason": "because"});
    [("deep", deep), ("newer", newer.to_string()), ("edited", edited.to_string())]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_cannot_be_read_holds_up_nobody_and_is_named() {
    let world = with_a_device("good", quick()).await;
    let handler = world.handler("notes").await;
    for (id, _) in unreadable() {
        world.primary.create(id).await;
    }
    world.hand_over_all(&handler).await;
    for (id, note) in unreadable() {
        container(&world).put(&format!("pending/{id}.json"), note).await;
    }
    let named = world.pending().await;
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named.iter().all(|note| note["reason"] == "malformed"), "{named:?}");
    // Only the source's events are left to follow, and what they say must be kept in the note.
    let before = world.log("devicetwin", 0).await.len();
    for id in ["deep", "good", "newer", "edited"] {
        world.primary.patch_twin(id, json!({"tags": {"n": 1}})).await;
    }
    let changes = world.log("devicetwin", 0).await.split_off(before);
    world.primary.outage("refuse").await;
    let (status, answer) = handler.deliver("devicetwin", 0, &changes).await;
    assert_eq!(status, 200, "{answer}");
    for id in ["deep", "good", "newer", "edited"] {
        assert_eq!(world.secondary.twin(id).await.unwrap()["tags"]["n"], 1, "{id}");
    }
    let aside = container(&world).list("unreadable/").await;
    assert_eq!(aside.len(), 3, "they are kept as they were: {aside:?}");
    world.primary.outage("off").await;
    let retried = world.app(&["pending", "retry"]).await;
    assert_eq!(retried.code, 0, "{retried:?} {:?}", world.pending().await);
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_all_goes_on_past_notes_that_cannot_be_read() {
    let world = with_a_device("good", quick()).await;
    for (id, note) in unreadable() {
        world.primary.create(id).await;
        container(&world).put(&format!("pending/{id}.json"), note).await;
    }
    container(&world).put("pending/good.json", b"{}").await;
    let retried = world.app_json(&["pending", "retry", "--json"]).await;
    assert_eq!(retried, json!([{"tried": 4, "resolved": 4, "stillPending": 0}]));
    world.assert_hubs_equal().await;
    assert!(world.pending().await.is_empty());
}

/// Notes of identities that are nowhere, not due before the year 2100.
async fn with_many_notes(world: &World, count: usize) {
    let place = container(world);
    let later = [("reason", "rejected"), ("next_try", "4102444800"), ("epoch", "1")];
    let names: Vec<String> = (0..count).map(|n| format!("pending/nobody-{n:05}.json")).collect();
    for some in names.chunks(32) {
        futures::future::join_all(some.iter().map(|name| place.put_with(name, b"{}".to_vec(), &later))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_twenty_thousand_notes_an_identity_with_a_note_is_handled_and_a_run_lists_each_page_once() {
    let storage = Azurite::start();
    let relay = Relay::to(storage.port).await;
    let mut environment = quick();
    environment.push(("AzureWebJobsStorage", relay.connection_string()));
    let options = Options { environment, ..Options::default() };
    let world = with_a_device_in(options, "zebra").await;
    let first = world.handler("first").await;
    world.hand_over_all(&first).await;
    let change = |n: usize| json!({"tags": { format!("n{n}"): n }});
    world.primary.patch_twin("zebra", change(1)).await;
    let one = world.last_told(&world.primary, "zebra").await;
    world.primary.patch_twin("zebra", change(2)).await;
    let two = world.last_told(&world.primary, "zebra").await;
    world.primary.outage("refuse").await;
    world.hand_over(&first, "devicetwin", &[one]).await;
    assert_eq!(world.pending().await.len(), 1);
    drop(first);
    with_many_notes(&world, 20_500).await;
    let kept = container(&world);
    let holder = async |duty: &str| {
        let duty = kept.get(duty).await.unwrap_or_else(|| b"{}".to_vec());
        serde_json::from_slice::<Value>(&duty).unwrap()["holder"].clone()
    };
    let holders = async || [holder("duties/pending.json").await, holder("duties/rejoin.json").await];
    let before = holders().await;
    // A process that remembers none of them.
    let lists = relay.lists();
    let second = world.handler("second").await;
    world.hand_over(&second, "devicetwin", &[two]).await;
    assert_eq!(world.secondary.twin("zebra").await.unwrap()["tags"], json!({"n1": 1, "n2": 2}));
    world
        .eventually("both duties are taken over", async || {
            holders().await.iter().zip(&before).all(|(now, before)| now != before)
        })
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Five pages for each of two duties, once at their start.
    let listed = relay.lists() - lists;
    assert!(listed <= 10, "{listed} listings");
    world.primary.outage("off").await;
    let retried = world.app(&["pending", "retry", "zebra"]).await;
    assert_eq!(retried.code, 0, "{retried:?}");
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_note_kept_is_not_written_over_what_was_copied_since_when_the_active_hub_is_lost() {
    let (world, handler) = with_a_copy("x", quick()).await;
    let site = async |name: &str| {
        let patch = json!({"tags": {"site": name}, "properties": {"desired": {"site": name}}});
        world.primary.patch_twin("x", patch).await;
        let event = world.last_told(&world.primary, "x").await;
        world.hand_over(&handler, "devicetwin", &[event]).await;
        let x = world.secondary.fleet().await["x"].clone();
        [x["tags"]["site"].clone(), x["desired"]["site"].clone()]
    };
    let refusal = json!({"method": "PATCH", "pathContains": "/twins/x", "status": 400, "times": 1_000_000});
    world.secondary.fault(refusal).await;
    assert_eq!(site("B").await, [Value::Null, Value::Null]);
    assert_eq!(world.pending().await.len(), 1);
    world.secondary.clear_faults().await;
    assert_eq!(site("C").await, ["C", "C"]);
    // The duty has not looked at the note since.
    world.primary.outage("refuse").await;
    world.promote("secondary", &["--force"]).await;
    world.app(&["pending", "retry"]).await;
    let x = world.secondary.fleet().await["x"].clone();
    assert_eq!(
        (&x["tags"]["site"], &x["desired"]["site"]),
        (&json!("C"), &json!("C")),
        "{:?}",
        world.pending().await
    );
}
