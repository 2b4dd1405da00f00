//! The switch of roles under traffic: what a hub accepted is on both hubs in the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::{Value, json};

use crate::world::handler::{Handler, with_a_device};
use crate::world::hub::Hub;
use crate::world::news::quick;
use crate::world::processes::send_signal;
use crate::world::storage::container;
use crate::world::{Options, World};

/// The device is on both hubs.
async fn with_a_copy(id: &str, environment: Vec<(&'static str, String)>) -> (World, Handler) {
    let world = with_a_device(id, environment).await;
    let handler = world.handler("rejoining").await;
    world.hand_over_all(&handler).await;
    (world, handler)
}

/// Clients of a few devices: each writes a member of its own name with every write, so that none is superseded.
struct Clients<'a> {
    world: &'a World,
    devices: Vec<String>,
    /// By device, what was written and where.
    accepted: BTreeMap<String, Vec<(String, String)>>,
}

impl Clients<'_> {
    /// One write for each device, of its tags or of its desired properties.
    async fn write(&mut self, hub: &Hub, round: usize) {
        for (n, device) in self.devices.iter().enumerate() {
            let name = format!("w{round}");
            let member = json!({ name.as_str(): round });
            let patch = match (n + round) % 2 {
                0 => json!({ "tags": member }),
                _ => json!({"properties": {"desired": member}}),
            };
            hub.patch_twin(device, patch).await;
            self.accepted.entry(device.clone()).or_default().push((name, hub.name.clone()));
        }
    }

    async fn assert_all_are_on(&self, hub: &Hub) {
        let fleet = hub.fleet().await;
        for (device, names) in &self.accepted {
            let has = |section: &str, name: &str| fleet[device][section].get(name).is_some();
            let missing: Vec<_> =
                names.iter().filter(|(name, _)| !has("tags", name) && !has("desired", name)).collect();
            assert!(missing.is_empty(), "{device} on {} lacks {missing:?}", hub.name);
        }
        assert_eq!(self.accepted.len(), self.devices.len(), "{:?}", self.world.pending().await);
    }
}

/// A world with a host, in which a rejoining ends soon and devices are on both hubs.
async fn with_a_fleet(count: usize) -> (World, Vec<String>) {
    let mut environment = quick();
    environment.push(("HADR_SWEEP_EVERY_SECONDS", "1".to_owned()));
    let world = World::with(Options { environment, ..Options::default() }).await;
    let devices: Vec<String> = (0..count).map(|n| format!("d{n}")).collect();
    for device in &devices {
        world.primary.create(device).await;
    }
    world.settle().await;
    (world, devices)
}

/// Writes where the router says, a second late, and for a while after it has said something new.
async fn traffic(clients: &mut Clients<'_>) {
    let (world, mut round, mut told) = (clients.world, 0, None::<Instant>);
    let mut talker = world.connect(&world.primary, "d0").await;
    while told.is_none_or(|told| told.elapsed() < Duration::from_secs(4)) {
        let has_moved = told.is_some_and(|told| told.elapsed() > Duration::from_secs(1));
        clients.write(if has_moved { &world.secondary } else { &world.primary }, round).await;
        if !has_moved {
            assert_eq!(talker.report(&json!({ format!("r{round}"): round })).await, 204);
        }
        round += 1;
        if told.is_none() && is_told(world, "secondary").await {
            told = Some(Instant::now());
        }
    }
    assert!(round > 5, "{round} rounds of traffic");
}

/// All that was accepted is on both hubs once they are in sync.
async fn all_is_on_both(clients: &Clients<'_>) {
    let world = clients.world;
    world.eventually("in sync", async || world.standby_state().await == "in-sync").await;
    // What was heard while both hubs were compared is compared after that.
    world.eventually("all is compared", async || container(world).list("changed/").await.is_empty()).await;
    world.settle().await;
    world.eventually("nothing is pending", async || world.pending().await.is_empty()).await;
    clients.assert_all_are_on(&world.primary).await;
    clients.assert_all_are_on(&world.secondary).await;
    world.assert_hubs_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_accepted_during_a_planned_promotion_under_traffic_is_on_both_hubs() {
    let (world, devices) = with_a_fleet(20).await;
    let mut clients = Clients { world: &world, devices, accepted: BTreeMap::new() };
    let promoted = world.app(&["promote", "--to", "secondary", "--reason", "drill"]);
    let (promoted, ()) = tokio::join!(promoted, traffic(&mut clients));
    assert_eq!(promoted.code, 0, "{promoted:?}");
    all_is_on_both(&clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_accepted_is_on_both_hubs_though_the_handler_is_killed_again_and_again_meanwhile() {
    let (world, devices) = with_a_fleet(20).await;
    let mut clients = Clients { world: &world, devices, accepted: BTreeMap::new() };
    let promoted = world.app(&["promote", "--to", "secondary", "--reason", "drill"]);
    let kills = async {
        // Until well into the comparison that ends the rejoining.
        for _ in 0..14 {
            let pause = rand::rng().random_range(300..1500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            send_signal(world.handler_id().await, "KILL");
        }
    };
    let (promoted, (), ()) = tokio::join!(promoted, kills, traffic(&mut clients));
    assert_eq!(promoted.code, 0, "{promoted:?}");
    all_is_on_both(&clients).await;
}

/// Whether the router names this hub; without an answer clients stay where they are.
async fn is_told(world: &World, hub: &str) -> bool {
    let Ok(answer) = world.http.get(format!("{}/d0", world.router)).send().await else { return false };
    answer.json::<Value>().await.is_ok_and(|answer| answer["hub"] == hub)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_lost_hub_had_accepted_unheard_is_on_both_hubs_when_it_is_back_and_accepted() {
    let (world, devices) = with_a_fleet(20).await;
    let mut clients = Clients { world: &world, devices, accepted: BTreeMap::new() };
    clients.write(&world.primary, 0).await;
    world.settle().await;
    world.host_post("/pause").await;
    for round in 1..5 {
        clients.write(&world.primary, round).await;
    }
    world.primary.outage("refuse").await;
    world.promote("secondary", &["--force"]).await;
    for round in 5..9 {
        clients.write(&world.secondary, round).await;
    }
    world.host_post("/resume").await;
    world.settle().await;
    clients.assert_all_are_on(&world.secondary).await;
    world.primary.outage("off").await;
    let accepted = world.app(&["rejoin", "--accept"]).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
    all_is_on_both(&clients).await;
}

/// rate=5 is on both hubs, and the standby's event of that has not been read; rate=9 is on the primary, unread too.
async fn with_an_unread_rate() -> (World, Handler, Value, Value) {
    let (world, handler) = with_a_copy("rated", quick()).await;
    world.primary.patch_twin("rated", json!({"properties": {"desired": {"rate": 5}}})).await;
    let five = world.last_told(&world.primary, "rated").await;
    world.hand_over(&handler, "devicetwin", &[five]).await;
    let echo = world.last_told(&world.secondary, "rated").await;
    assert_eq!(world.secondary.fleet().await["rated"]["desired"]["rate"], 5);
    world.primary.patch_twin("rated", json!({"properties": {"desired": {"rate": 9}}})).await;
    let nine = world.last_told(&world.primary, "rated").await;
    world.promote("secondary", &[]).await;
    (world, handler, echo, nine)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_change_of_the_former_hub_is_kept_after_the_echo_of_an_earlier_write_in_the_same_batch() {
    let (mut world, handler, echo, nine) = with_an_unread_rate().await;
    world.hand_over(&handler, "devicetwin", &[echo, nine]).await;
    assert_eq!(world.secondary.fleet().await["rated"]["desired"]["rate"], 9);
    world.until_in_sync(handler).await;
    world.assert_hubs_equal().await;
    assert_eq!(world.primary.fleet().await["rated"]["desired"]["rate"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_change_of_the_former_hub_is_kept_after_the_echo_of_an_earlier_write_in_a_batch_before() {
    let (mut world, handler, echo, nine) = with_an_unread_rate().await;
    world.hand_over(&handler, "devicetwin", &[echo]).await;
    world.hand_over(&handler, "devicetwin", &[nine]).await;
    assert_eq!(world.secondary.fleet().await["rated"]["desired"]["rate"], 9);
    world.until_in_sync(handler).await;
    world.assert_hubs_equal().await;
    assert_eq!(world.primary.fleet().await["rated"]["desired"]["rate"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_reports_long_after_the_cut_before_it_moves_is_not_overwritten() {
    let mut environment = quick();
    environment[0].1 = "5".to_owned();
    let (mut world, handler) = with_a_copy("slow", environment).await;
    let mut device = world.connect(&world.primary, "slow").await;
    assert_eq!(device.report(&json!({"r": "before"})).await, 204);
    world.hand_over_all(&handler).await;
    let begun = Instant::now();
    world.promote("secondary", &[]).await;
    // What happened within five seconds of the cut was once told from the rest.
    tokio::time::sleep(Duration::from_secs(7).saturating_sub(begun.elapsed())).await;
    assert_eq!(device.report(&json!({"r": "after"})).await, 204);
    world.primary.forget_requests().await;
    world.hand_over_all(&handler).await;
    assert!(world.primary.writes().await.is_empty(), "{:?}", world.primary.writes().await);
    drop(device);
    world.until_in_sync(handler).await;
    for hub in [&world.primary, &world.secondary] {
        assert_eq!(hub.fleet().await["slow"]["reported"]["r"], "after", "{}", hub.name);
    }
    assert!(world.pending().await.is_empty(), "{:?}", world.pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_reports_before_it_moves_is_on_both_though_a_back_end_replaces_its_twin_afterwards() {
    let (mut world, handler) = with_a_copy("x", quick()).await;
    world.promote("secondary", &[]).await;
    let mut device = world.connect(&world.primary, "x").await;
    assert_eq!(device.report(&json!({"r": 5})).await, 204);
    drop(device);
    // The event shows what the device reports too, and `r` is not in it.
    world.secondary.replace_twin("x", json!({"tags": {"n": 1}, "properties": {"desired": {}}})).await;
    let replaced = world.last_told(&world.secondary, "x").await;
    world.hand_over(&handler, "devicetwin", &[replaced]).await;
    world.until_in_sync(handler).await;
    for hub in [&world.primary, &world.secondary] {
        let x = hub.fleet().await["x"].clone();
        assert_eq!((&x["reported"], &x["tags"]), (&json!({"r": 5}), &json!({"n": 1})), "{}", hub.name);
    }
}

/// Both orders in which the two event hubs may be read.
const ORDERS: [[&str; 2]; 2] = [["registry", "devicetwin"], ["devicetwin", "registry"]];

#[tokio::test(flavor = "multi_thread")]
async fn devices_made_on_the_former_hub_just_before_and_after_the_cut_are_on_both_hubs() {
    for order in ORDERS {
        let (mut world, handler) = with_a_copy("old", quick()).await;
        let before = world.primary.create("before").await;
        world.promote("secondary", &[]).await;
        let after = world.primary.create("after").await;
        for event_hub in order {
            let all = world.log(event_hub, 0).await;
            world.hand_over(&handler, event_hub, &all).await;
        }
        // The same, as a sweep would.
        world.app(&["pending", "retry"]).await;
        for (id, made) in [("before", &before), ("after", &after)] {
            let copy = world.secondary.device(id).await.unwrap_or_else(|| panic!("{order:?}: {id}"));
            assert_eq!(copy["authentication"], made["authentication"], "{order:?}: {id}");
        }
        world.until_in_sync(handler).await;
        world.assert_hubs_equal().await;
        assert_eq!(world.primary.fleet().await.len(), 3);
        assert_eq!(world.primary.count("DELETE").await + world.secondary.count("DELETE").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_deleted_on_the_former_hub_just_before_the_cut_is_gone_from_both_and_not_made_again() {
    for order in ORDERS {
        let (mut world, handler) = with_a_copy("revoked", quick()).await;
        world.primary.delete("revoked").await;
        world.promote("secondary", &[]).await;
        world.primary.forget_requests().await;
        for event_hub in order {
            let all = world.log(event_hub, 0).await;
            world.hand_over(&handler, event_hub, &all).await;
        }
        world.app(&["pending", "retry"]).await;
        assert!(world.secondary.device("revoked").await.is_none(), "{order:?}");
        world.until_in_sync(handler).await;
        world.app(&["pending", "retry"]).await;
        for hub in [&world.primary, &world.secondary] {
            assert!(hub.device("revoked").await.is_none(), "{order:?}: {}", hub.name);
        }
        assert!(world.primary.writes().await.is_empty(), "{:?}", world.primary.writes().await);
    }
}

/// A member `x` is on both hubs in tags and desired properties. The former hub says 2 before the cut, unread.
async fn with_a_removal_and_a_backlog() -> (World, Handler, Value, Value) {
    let (world, handler) = with_a_copy("taken", quick()).await;
    let value = |n: i64| json!({"tags": {"x": n, "y": 0}, "properties": {"desired": {"x": n, "y": 0}}});
    world.primary.patch_twin("taken", value(1)).await;
    world.hand_over_all(&handler).await;
    world.primary.patch_twin("taken", value(2)).await;
    let late = world.last_told(&world.primary, "taken").await;
    world.promote("secondary", &[]).await;
    let removal = json!({"tags": {"x": null}, "properties": {"desired": {"x": null}}});
    world.secondary.patch_twin("taken", removal).await;
    let removed = world.last_told(&world.secondary, "taken").await;
    (world, handler, late, removed)
}

/// What `x` is in tags and in desired properties.
async fn x_on(hub: &Hub) -> (Value, Value) {
    let twin = &hub.fleet().await["taken"];
    (twin["tags"]["x"].clone(), twin["desired"]["x"].clone())
}

/// The sections in which a loss of `x` is reported.
async fn reported(world: &World) -> Vec<String> {
    let reports = world.app_json(&["losses", "list", "--json"]).await;
    let losses = reports.as_array().unwrap().iter().flat_map(|report| report["losses"].as_array().unwrap());
    let mut sections: Vec<String> = losses
        .filter(|loss| loss["path"] == json!(["x"]))
        .map(|loss| loss["section"].as_str().unwrap().to_owned())
        .collect();
    sections.sort();
    sections.dedup();
    sections
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_on_the_new_active_hub_is_not_undone_by_a_late_backlog_of_an_earlier_time() {
    for removal_first in [true, false] {
        let (mut world, handler, late, removed) = with_a_removal_and_a_backlog().await;
        let order = if removal_first { [removed, late] } else { [late, removed] };
        for event in order {
            world.hand_over(&handler, "devicetwin", &[event]).await;
        }
        let nothing = (Value::Null, Value::Null);
        assert_eq!(x_on(&world.secondary).await, nothing, "removal first: {removal_first}");
        assert_eq!(reported(&world).await, ["desired", "tags"], "removal first: {removal_first}");
        world.until_in_sync(handler).await;
        assert_eq!(x_on(&world.primary).await, nothing, "removal first: {removal_first}");
        world.assert_hubs_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_on_the_new_active_hub_is_undone_by_a_later_write_of_the_former_one_and_reported() {
    for removal_first in [true, false] {
        let (mut world, handler, late, removed) = with_a_removal_and_a_backlog().await;
        let value = json!({"tags": {"x": 3}, "properties": {"desired": {"x": 3}}});
        world.primary.patch_twin("taken", value).await;
        let later = world.last_told(&world.primary, "taken").await;
        let order = if removal_first { [removed, late, later] } else { [late, later, removed] };
        for event in order {
            world.hand_over(&handler, "devicetwin", &[event]).await;
        }
        let three = (json!(3), json!(3));
        assert_eq!(x_on(&world.secondary).await, three, "removal first: {removal_first}");
        assert_eq!(reported(&world).await, ["desired", "tags"], "removal first: {removal_first}");
        world.until_in_sync(handler).await;
        assert_eq!(x_on(&world.primary).await, three, "removal first: {removal_first}");
        world.assert_hubs_equal().await;
    }
}
