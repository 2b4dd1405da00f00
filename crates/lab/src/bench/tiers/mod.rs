//! `cargo lab -- tiers`: how the app lives under the limits of a tier, on hubs that throttle as the service does.
//!
//! A backlog is built while the host is paused and the hubs have no limits; then the limits begin, the host goes on, and the
//! clock runs until both hubs are equal and nothing is pending. Creations are measured on a fast hub clock, because their
//! limits are per minute; changes of twins on the real one, because theirs are per second.

mod usage;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::feed;
use super::setting::{IN_FLIGHT, begin_with};
use crate::error::LabError;
use crate::folders::{self, Profile};
use crate::hubs::compare;
use crate::operator;
use crate::partitions::Partitions;
use crate::processes;
use crate::story::cast::Pump;
use crate::terminal::{Line, say};
use crate::world::World;
use usage::Usage;

/// More events than any run makes.
const ALL: u32 = 10_000_000;
/// The app's own default: half of the active hub's limits.
const PART_OF_ACTIVE: f64 = 0.5;
/// How often the app looks at what is pending.
const PENDING_SECONDS: &str = "2";
/// Convergence later than this is a failure, not a figure.
const GIVE_UP: Duration = Duration::from_secs(600);

/// By the real clock one unit of S1 takes so many creations within the minute that the world waits for events.
const MOST_CREATIONS: u32 = 75;

/// How much is measured, and of how many handlers.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct TiersOptions {
    /// Small numbers: shows that it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Do not tell the app the tier: it must find the limits, by the real clock.
    #[arg(long)]
    untold: bool,
    /// Handler processes, each with its share of the partitions.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=4))]
    handlers: u8,
}

/// What is measured at one tier.
#[derive(Debug, Clone, Copy)]
struct Plan {
    tier: &'static str,
    /// Seconds of the hubs' clocks in a real one, for creations.
    scale: u32,
    creations: u32,
    changes: u32,
}

impl Plan {
    /// The same for an app that finds the limits by itself, which takes the real clock, and so fewer creations.
    fn untold(self) -> Self {
        Self { scale: 1, creations: self.creations.min(MOST_CREATIONS), ..self }
    }
}

const WHOLE: [Plan; 3] = [
    Plan { tier: "S1x1", scale: 30, creations: 300, changes: 600 },
    Plan { tier: "S2x20", scale: 6, creations: 900, changes: 900 },
    Plan { tier: "S3x1", scale: 2, creations: 900, changes: 900 },
];
const QUICK: [Plan; 3] = [
    Plan { tier: "S1x1", scale: 60, creations: 60, changes: 60 },
    Plan { tier: "S2x20", scale: 10, creations: 60, changes: 60 },
    Plan { tier: "S3x1", scale: 4, creations: 60, changes: 60 },
];

/// Measures and prints the tables.
///
/// # Errors
/// When a program fails, or hubs do not become equal; a 429 is a figure.
pub(crate) async fn run(options: TiersOptions, logs: Option<PathBuf>) -> Result<(), LabError> {
    processes::build(&folders::app_root()?, Profile::Own).await?;
    let mut runs = Vec::new();
    for plan in if options.quick { QUICK } else { WHOLE } {
        let plan = if options.untold { plan.untold() } else { plan };
        runs.push(creations(plan, options, logs.clone()).await?);
        runs.push(changes(plan, options, logs.clone()).await?);
    }
    say(&usage::tables(&runs));
    Ok(())
}

async fn creations(plan: Plan, options: TiersOptions, logs: Option<PathBuf>) -> Result<Usage, LabError> {
    let Plan { tier, scale, creations, .. } = plan;
    let title = format!("{tier}, {creations} creations");
    let line = Line::start(&title);
    let world = world((tier, scale), options, logs).await?;
    world.hosts("POST", "/pause").await?;
    feed::create(&world.primary, &pumps(creations)).await?;
    let usage = converge(&world, plan, scale, title).await?;
    line.done(&usage.in_short());
    Ok(usage)
}

async fn changes(plan: Plan, options: TiersOptions, logs: Option<PathBuf>) -> Result<Usage, LabError> {
    let Plan { tier, changes, .. } = plan;
    let title = format!("{tier}, {changes} changes");
    let line = Line::start(&title);
    let world = world((tier, 1), options, logs).await?;
    let pumps = pumps(changes);
    // Both hubs have them already, and nobody hears of it.
    for event_hub in ["registry", "devicetwin"] {
        let rule = json!({ "eventHub": event_hub, "mode": "drop", "times": ALL });
        world.emulator("POST", "/events", Some(rule)).await?;
    }
    feed::create_on_both([&world.primary, &world.secondary], &pumps).await?;
    world.emulator("DELETE", "/events", None).await?;
    world.hosts("POST", "/pause").await?;
    feed::change(&world.primary, &pumps, 1).await?;
    let usage = converge(&world, plan, 1, title).await?;
    line.done(&usage.in_short());
    Ok(usage)
}

/// A running world whose app knows this tier, unless it is not told; the hubs have no limits yet.
async fn world(
    (tier, scale): (&str, u32),
    options: TiersOptions,
    logs: Option<PathBuf>,
) -> Result<World, LabError> {
    let known = (!options.untold).then(|| format!("{tier}@{scale}"));
    let setting = |name| Some((name, known.as_deref()?));
    let mut settings: Vec<_> = ["HADR_HUB1_TIER", "HADR_HUB2_TIER"].into_iter().filter_map(setting).collect();
    settings.push(("HADR_SWEEP_EVERY_SECONDS", PENDING_SECONDS));
    let mut world = begin_with(IN_FLIGHT, &settings, logs).await?;
    for _ in 0..options.handlers {
        world.start_host().await?;
    }
    let failed = LabError::refused("the partitions of a functions host");
    let partitions = Partitions::of(world.http().clone(), world.host_controls()?, 0).await.map_err(failed)?;
    partitions.spread().await;
    world.settle().await?;
    Ok(world)
}

fn pumps(count: u32) -> Vec<Pump> {
    (1..=count).map(Pump::new).collect()
}

/// From the paused backlog to equal hubs, under the limits.
async fn converge(world: &World, plan: Plan, scale: u32, title: String) -> Result<Usage, LabError> {
    set_tier(world, json!({ "tier": plan.tier, "timeScale": scale })).await?;
    super::calls::forget(world).await?;
    let started = Instant::now();
    world.hosts("POST", "/resume").await?;
    loop {
        world.settle().await?;
        if operator::pending(world).await?.is_empty() {
            break;
        }
        if started.elapsed() > GIVE_UP {
            return Err(LabError::Late(format!("for the hubs to become equal at {}", plan.tier)));
        }
    }
    let minutes = started.elapsed().as_secs_f64() * f64::from(scale) / 60.0;
    let requests = super::calls::counted(world).await?.total();
    let hubs = [
        usage::classes(&tier_of(world, &world.primary.name).await?, minutes, PART_OF_ACTIVE),
        usage::classes(&tier_of(world, &world.secondary.name).await?, minutes, 1.0),
    ];
    set_tier(world, json!({ "tier": null })).await?;
    equal(world).await?;
    Ok(Usage { title, minutes, requests, hubs })
}

/// Gives both hubs this tier, or none.
///
/// # Errors
/// When the emulator does not take it.
pub(super) async fn set_tier(world: &World, body: Value) -> Result<(), LabError> {
    for hub in [&world.primary, &world.secondary] {
        world.emulator("POST", &format!("/hubs/{}/tier", hub.name), Some(body.clone())).await?;
    }
    Ok(())
}

async fn tier_of(world: &World, hub: &str) -> Result<Value, LabError> {
    world.emulator("GET", &format!("/hubs/{hub}/tier"), None).await
}

/// A figure of hubs that differ would mean nothing.
async fn equal(world: &World) -> Result<(), LabError> {
    let (primary, secondary) =
        futures::try_join!(compare::snapshot(&world.primary), compare::snapshot(&world.secondary))?;
    match compare::differences(("primary", &primary), ("secondary", &secondary)).first() {
        None => Ok(()),
        Some(first) => Err(LabError::Late(format!("for both hubs to be equal: {first}"))),
    }
}
