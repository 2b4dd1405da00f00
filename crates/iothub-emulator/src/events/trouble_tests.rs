#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use crate::events::{DEVICE_TWIN, Emitter, Happened, Lifecycle, REGISTRY, TwinChanged};
use crate::stamp::Stamp;
use crate::store::Id;
use serde_json::{Value, json};
use std::sync::Arc;

fn write(emitter: &Emitter, device: &str, n: u64) {
    let (id, body) = (Id::device(device), json!({ "version": n }));
    let changed = TwinChanged { hub: "h", id: &id, replaced: false, body: &body, at: Stamp::now() };
    emitter.tell(Happened::TwinChanged(changed)).unwrap();
}

fn create(emitter: &Emitter, device: &str) {
    let (id, twin) = (Id::device(device), json!({ "deviceId": device }));
    let came = Lifecycle { hub: "h", id: &id, created: true, twin: &twin, at: Stamp::now() };
    emitter.tell(Happened::Lifecycle(came)).unwrap();
}

/// The versions in an event hub's only partition, in the order of their arrival.
fn versions(emitter: &Emitter) -> Vec<u64> {
    let events = emitter.event_hub(DEVICE_TWIN).unwrap().partitions[0].from(0, usize::MAX);
    let version = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["version"].as_u64().unwrap();
    events.iter().map(|enqueued| version(enqueued.event.body())).collect()
}

fn created(emitter: &Emitter) -> Vec<String> {
    let events = emitter.event_hub(REGISTRY).unwrap().partitions[0].from(0, usize::MAX);
    let device = |body: &[u8]| {
        serde_json::from_slice::<Value>(body).unwrap()[0]["data"]["deviceId"].as_str().unwrap().to_owned()
    };
    events.iter().map(|enqueued| device(enqueued.event.body())).collect()
}

fn troubled(seed: u64) -> Emitter {
    let emitter = Emitter::new(1);
    for (name, number) in
        [("eventTroubleSeed", seed), ("devicetwinDuplicatePercent", 20), ("devicetwinRewindPercent", 5)]
    {
        emitter.set_trouble(name, number).unwrap().unwrap();
    }
    (0..500).for_each(|n| write(&emitter, "d", n));
    emitter
}

#[test]
fn a_routed_event_comes_again_but_never_before_its_predecessors_have_come() {
    let versions = versions(&troubled(7));
    assert!(versions.len() > 600, "{}", versions.len());
    let mut highest = None;
    for pair in versions.windows(2) {
        highest = highest.max(Some(pair[0]));
        assert!(
            pair[1] <= pair[0] + 1,
            "nothing is skipped, whether it comes the first time or again: {pair:?}"
        );
        assert!(Some(pair[1] + 10) > highest, "a rewind goes back by ten events at most: {pair:?}");
    }
    assert_eq!(highest.max(versions.last().copied()), Some(499));
}

#[test]
fn the_same_seed_makes_the_same_trouble_and_another_one_other_trouble() {
    assert_eq!(versions(&troubled(7)), versions(&troubled(7)));
    assert_ne!(versions(&troubled(7)), versions(&troubled(8)));
}

#[test]
fn event_grid_loses_its_order_and_nothing_else() {
    let emitter = Emitter::new(1);
    emitter.set_trouble("registryReorderPercent", 30).unwrap().unwrap();
    let devices: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
    devices.iter().for_each(|device| create(&emitter, device));
    emitter.let_go_late();
    let mut arrived = created(&emitter);
    assert_ne!(arrived, devices);
    arrived.sort();
    assert_eq!(arrived, devices);
}

#[test]
fn a_route_refuses_to_be_reordered_and_shares_are_percents() {
    let emitter = Emitter::new(1);
    assert!(
        emitter.set_trouble("devicetwinReorderPercent", 1).unwrap().unwrap_err().contains("keeps the order")
    );
    assert!(emitter.set_trouble("registryDuplicatePercent", 101).unwrap().is_err());
    assert!(emitter.set_trouble("registryLossPercent", 1).is_none());
    assert_eq!(emitter.trouble()["registryReorderPercent"], 0);
}

#[tokio::test]
async fn an_event_that_nothing_overtakes_is_late_for_a_moment_only() {
    let emitter = Arc::new(Emitter::new(1));
    emitter.set_trouble("registryReorderPercent", 100).unwrap().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let task = tokio::spawn(crate::events::let_go_late(Arc::clone(&emitter), stop.clone()));
    create(&emitter, "d");
    assert_eq!(created(&emitter).len(), 0);
    let arrived =
        emitter.event_hub(REGISTRY).unwrap().partitions[0].reaches(0, std::time::Duration::from_secs(20));
    arrived.await;
    assert_eq!(created(&emitter), ["d"]);
    stop.cancel();
    task.await.unwrap();
}
