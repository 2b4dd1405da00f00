//! Lives at random: clients make and delete devices on either hub while the roles change to and fro, and each hub's
//! events come late. What was done last holds on both hubs in the end, or is named.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::switching::{busy, with_a_copy};
use crate::world::World;
use crate::world::handler::Handler;
use crate::world::hub::Hub;

const EVENT_HUBS: [&str; 2] = ["devicetwin", "registry"];
const STEPS: usize = 4;

/// What a client did, and was told that it was done.
struct Done {
    /// After so many promotions.
    promotions: usize,
    on: String,
    /// Of what it made; what it deleted has none.
    keys: Option<Value>,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.keys.is_some() { "made" } else { "deleted" };
        write!(f, "{what} on the {} after {} promotions", self.on, self.promotions)
    }
}

/// One device, and how many of the events of each hub and event hub have been handed over.
#[derive(Default)]
struct Device {
    done: Vec<Done>,
    taken: [[usize; 2]; 2],
}

struct Scene {
    world: World,
    handler: Handler,
    devices: BTreeMap<String, Device>,
    dice: StdRng,
    promotions: usize,
}

impl Scene {
    async fn new(seed: u64, devices: usize) -> Self {
        let mut environment = busy();
        environment.push(("HADR_LOG", "iot_hadr=debug".to_owned()));
        environment.push(("HADR_DELETES_PER_HOUR", "10000".to_owned()));
        let (world, handler) = with_a_copy("x", environment).await;
        let devices = (0..devices).map(|n| (format!("d{n}"), Device::default())).collect();
        Self { world, handler, devices, dice: StdRng::seed_from_u64(seed), promotions: 0 }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.dice.random_range(0..100) < percent
    }

    async fn promote(&mut self, active: usize) {
        self.world.promote(["primary", "secondary"][active], &["--force"]).await;
        self.promotions += 1;
        self.go_on(active).await;
    }

    /// Under these roles.
    async fn go_on(&mut self, active: usize) {
        let names: Vec<String> = self.devices.keys().cloned().collect();
        for _ in 0..STEPS {
            for name in &names {
                if self.chance(30) {
                    // Some clients do not follow the router; what they do to a standby in sync is drift.
                    let follows = self.promotions == 0 || self.chance(75);
                    let hub = if follows { active } else { 1 - active };
                    self.does(name, hub).await;
                }
            }
            self.hand_some_over().await;
            tokio::time::sleep(Duration::from_millis(self.dice.random_range(50..700))).await;
        }
    }

    fn hub(&self, hub: usize) -> &Hub {
        if hub == 0 { &self.world.primary } else { &self.world.secondary }
    }

    /// A client deletes what is there, or makes what is not.
    async fn does(&mut self, name: &str, hub: usize) {
        let hub = self.hub(hub);
        let (on, path, promotions) = (hub.name.clone(), Hub::device_path(name), self.promotions);
        let done = if hub.device(name).await.is_some() {
            let (status, _) = hub.call(Method::DELETE, &path, Some("*"), None).await;
            status.is_success().then_some(Done { promotions, on, keys: None })
        } else {
            let (status, made) = hub.call(Method::PUT, &path, None, Some(json!({"deviceId": name}))).await;
            let keys = Some(made["authentication"]["symmetricKey"].clone());
            status.is_success().then_some(Done { promotions, on, keys })
        };
        self.devices.get_mut(name).unwrap().done.extend(done);
    }

    /// Of some devices, the next events of either hub, in that hub's order.
    async fn hand_some_over(&mut self) {
        for (n, event_hub) in EVENT_HUBS.into_iter().enumerate() {
            let mut told: BTreeMap<(usize, String), Vec<Value>> = BTreeMap::new();
            for event in self.world.log(event_hub, 0).await {
                if let Some((hub, device)) = self.world.whose(&event) {
                    told.entry((hub, device)).or_default().push(event);
                }
            }
            let (mut batch, mut reached) = (Vec::new(), Vec::new());
            for ((hub, name), all) in told {
                let Some(device) = self.devices.get(&name) else { continue };
                let (from, some) = (device.taken[n][hub], self.dice.next_u32() as usize);
                let to = if self.chance(45) { from + some % (all.len() - from + 1) } else { from };
                batch.extend_from_slice(&all[from..to]);
                reached.push((name, hub, to));
            }
            if batch.is_empty() || self.handler.deliver(event_hub, 0, &batch).await.0 != 200 {
                continue;
            }
            for (name, hub, to) in reached {
                self.devices.get_mut(&name).unwrap().taken[n][hub] = to;
            }
        }
    }

    /// What is neither so on both hubs nor named.
    async fn faults(self) -> Vec<String> {
        let Self { mut world, handler, devices, .. } = self;
        let _handler = world.until_in_sync(handler).await;
        world.app(&["pending", "retry"]).await;
        let losses = world.app_json(&["losses", "list", "--json"]).await;
        let pending = world.pending().await;
        let is_named = |name: &str| {
            let reports = losses.as_array().unwrap().iter().chain(&pending);
            reports.into_iter().any(|report| report["identity"]["deviceId"] == name)
        };
        let keys =
            |found: Option<Value>| found.map(|device| device["authentication"]["symmetricKey"].clone());
        let mut faults = Vec::new();
        for (name, device) in devices {
            let Some(last) = device.done.last() else { continue };
            let found = [&world.primary, &world.secondary].map(|hub| hub.device(&name));
            let found = futures::future::join_all(found).await.into_iter().map(keys);
            let found: Vec<Option<Value>> = found.collect();
            if found.iter().any(|keys| *keys != last.keys) && !is_named(&name) {
                // By the place of what made it.
                let made = |keys: &Option<Value>| {
                    device.done.iter().position(|done| done.keys.is_some() && done.keys == *keys)
                };
                let there: Vec<Option<Option<usize>>> =
                    found.iter().map(|keys| keys.as_ref().map(|_| made(keys))).collect();
                let done: Vec<String> = device.done.iter().map(Done::to_string).collect();
                faults.push(format!("{name} is there: {there:?}, after {done:?}"));
            }
        }
        faults
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a search, in schedules that are never twice the same: tests/run --test it -- --ignored any_lives"]
async fn what_was_done_last_with_a_device_holds_or_is_named_however_late_it_is_heard() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("HADR_TEST_SEED").unwrap_or(1);
    let mut scene = Scene::new(seed, number("HADR_TEST_DEVICES").unwrap_or(60) as usize).await;
    scene.go_on(0).await;
    scene.promote(1).await;
    scene.promote(0).await;
    if scene.chance(50) {
        scene.promote(1).await;
    }
    let accepted = scene.world.app(&["rejoin", "--accept"]).await;
    assert_eq!(accepted.code, 0, "{accepted:?}");
    let faults = scene.faults().await;
    assert!(faults.is_empty(), "seed {seed}: {}", faults.join("\n"));
}
