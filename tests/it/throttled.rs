//! Under the limits of a small tier: slower, never wrong, and nothing begun again and again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::hub::Hub;
use crate::world::{Options, World};

/// A world whose hubs allow what a tier does; of their clocks `scale` seconds pass in one.
async fn at(tier: &str, scale: u32) -> World {
    // The handler itself tries what is pending: another process would not know of its limits.
    let environment = vec![("HADR_SWEEP_EVERY_SECONDS", "1".to_owned())];
    World::with(Options { environment, tier: Some(format!("{tier}@{scale}")), ..Options::default() }).await
}

impl Hub {
    /// What the throttles have done, by class.
    async fn classes(&self) -> Value {
        self.control_get("/tier").await["classes"].clone()
    }

    async fn refused(&self) -> u64 {
        let classes = self.classes().await;
        classes.as_object().unwrap().values().map(|class| class["refused"].as_u64().unwrap()).sum()
    }
}

impl World {
    /// Until nothing is pending any more.
    async fn work_off(&self) {
        let started = Instant::now();
        self.settle().await;
        while !self.pending().await.is_empty() {
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "still pending: {:?}",
                self.pending().await
            );
            self.settle().await;
        }
    }

    async fn create_many(&self, count: usize) {
        for n in 0..count {
            self.primary.create(&format!("d{n}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_creations_and_changes_beyond_a_minutes_limit_draws_no_429() {
    let world = at("S1x1", 60).await;
    world.create_many(150).await;
    for n in 0..60 {
        world.primary.patch_twin(&format!("d{n}"), json!({"tags": {"n": n}})).await;
    }
    world.work_off().await;
    world.assert_hubs_equal().await;
    assert_eq!((world.primary.refused().await, world.secondary.refused().await), (0, 0));
    let classes = world.secondary.classes().await;
    assert_eq!(classes["IdentityCreate"]["admitted"], 151, "each once, and the probe identity: {classes}");
    assert!(classes["IdentityCreate"]["shareOfBusiestMinute"].as_f64().unwrap() <= 1.0, "{classes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_change_does_not_wait_for_the_creations_before_it() {
    // A minute in six seconds: 45 registry reads in six seconds are ours of the active hub's.
    let world = at("S1x1", 10).await;
    world.primary.create("known").await;
    world.work_off().await;
    world.create_many(60).await;
    let changed = Instant::now();
    world.primary.patch_twin("known", json!({"tags": {"n": 1}})).await;
    world
        .eventually("the change is on the standby", || async {
            world.secondary.twin("known").await.is_some_and(|twin| twin["tags"]["n"] == 1)
        })
        .await;
    let took = changed.elapsed();
    let missing = 61 - world.secondary.fleet().await.len();
    world.work_off().await;
    world.assert_hubs_equal().await;
    assert!(missing > 0 || took < Duration::from_secs(2), "it came after all creations, {took:?} later");
}
