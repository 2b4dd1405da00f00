//! `cargo lab -- rejoin`: what a planned promotion of a large fleet costs, until both hubs are in sync again.
//!
//! Both hubs have the whole fleet; after the promotion some of it changes on the hub that is active now. Run twice, with a
//! tenth of the fleet and with all of it: the calls must grow with what changed, not with what there is.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use super::calls::{self, Calls};
use super::feed;
use super::setting::{IN_FLIGHT, begin_with};
use super::tiers::set_tier;
use crate::error::LabError;
use crate::folders::{self, Profile};
use crate::operator;
use crate::processes;
use crate::story::cast::Pump;
use crate::terminal::{Line, say};
use crate::world::World;

/// More events than any run makes.
const ALL: u32 = 10_000_000;
/// Later than this is a failure, not a figure.
const GIVE_UP: Duration = Duration::from_secs(1_200);
const LOOK: Duration = Duration::from_secs(1);
/// Devices changed by one request after the other.
const AT_ONCE: usize = 16;

/// How large the fleet is, and what changes.
#[derive(Debug, Clone, Args)]
pub(crate) struct RejoinOptions {
    /// Devices on both hubs.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub(crate) devices: u32,
    /// Devices that change after the promotion.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT")]
    pub(crate) changing: u32,
    /// Both hubs' tier, which the app is told.
    #[arg(long, default_value = "S1x1", value_name = "TIER")]
    pub(crate) tier: String,
    /// How long the router's answer is good.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(crate) valid_seconds: u32,
}

/// What one rejoining took.
#[derive(Debug)]
struct Took {
    devices: u32,
    changed: u32,
    answered: Duration,
    in_sync: Duration,
    calls: Calls,
}

/// Measures and prints the table.
///
/// # Errors
/// When a program fails, or both hubs do not become in sync and equal.
pub(crate) async fn run(options: &RejoinOptions, logs: Option<PathBuf>) -> Result<(), LabError> {
    processes::build(&folders::app_root()?, Profile::Own).await?;
    let mut rows = Vec::new();
    for devices in [options.devices / 10, options.devices] {
        let changing = options.changing.min(devices);
        let one = RejoinOptions { devices, changing, ..options.clone() };
        rows.push(rejoined(&one, logs.clone()).await?);
    }
    say(&table(options, &rows));
    Ok(())
}

async fn rejoined(options: &RejoinOptions, logs: Option<PathBuf>) -> Result<Took, LabError> {
    let mut line = Line::start(&format!("{} devices, {} change", options.devices, options.changing));
    let valid_seconds = options.valid_seconds.to_string();
    let settings = [
        ("HADR_HUB1_TIER", options.tier.as_str()),
        ("HADR_HUB2_TIER", options.tier.as_str()),
        ("HADR_ROUTER_VALID_SECONDS", valid_seconds.as_str()),
    ];
    let mut world = begin_with(IN_FLIGHT, &settings, logs).await?;
    world.start_host().await?;
    world.settle().await?;
    let pumps: Vec<Pump> = (1..=options.devices).map(Pump::new).collect();
    line.show("both hubs get the fleet");
    unheard(&world, &pumps).await?;
    line.show("promotion");
    let began = Instant::now();
    world.app(&["promote", "--to", &world.secondary.name, "--reason", "measured"]).await?;
    let answered = began.elapsed();
    let (changed, _) = pumps.split_at(options.changing as usize);
    feed::change(&world.secondary, changed, 1).await?;
    calls::forget(&world).await?;
    set_tier(&world, json!({ "tier": options.tier, "timeScale": 1 })).await?;
    line.show("rejoining");
    while !operator::is_in_sync(&world, &world.secondary.name).await? {
        if began.elapsed() > GIVE_UP {
            return Err(LabError::Late("for both hubs to be in sync".to_owned()));
        }
        tokio::time::sleep(LOOK).await;
    }
    let in_sync = began.elapsed();
    let calls = calls::counted(&world).await?;
    set_tier(&world, json!({ "tier": null })).await?;
    equal(&world, changed).await?;
    line.done(&format!("in sync after {:.0} s", in_sync.as_secs_f64()));
    Ok(Took { devices: options.devices, changed: options.changing, answered, in_sync, calls })
}

/// Both hubs have the devices, and nobody hears of it.
async fn unheard(world: &World, pumps: &[Pump]) -> Result<(), LabError> {
    for event_hub in ["registry", "devicetwin"] {
        let rule = json!({ "eventHub": event_hub, "mode": "drop", "times": ALL });
        world.emulator("POST", "/events", Some(rule)).await?;
    }
    feed::create_on_both([&world.primary, &world.secondary], pumps).await?;
    world.emulator("DELETE", "/events", None).await.map(drop)
}

/// A figure of hubs that differ would mean nothing.
async fn equal(world: &World, pumps: &[Pump]) -> Result<(), LabError> {
    let both = |pump: &Pump| {
        let id = pump.named();
        async move { futures::try_join!(world.primary.twin(&id), world.secondary.twin(&id)) }
    };
    let mut twins = stream::iter(pumps).map(both).buffer_unordered(AT_ONCE);
    let rate = |twin: &Value| twin.pointer("/properties/desired/rate").cloned();
    while let Some(twins) = twins.next().await {
        let (primary, secondary) = twins?;
        if rate(&primary) != rate(&secondary) || rate(&secondary) != Some(json!(1)) {
            return Err(LabError::Late(format!("for both hubs to be equal: {primary} {secondary}")));
        }
    }
    Ok(())
}

fn table(options: &RejoinOptions, rows: &[Took]) -> String {
    let mut text = format!(
        "\nBoth hubs {}, answers valid for {} s.\n\n\
         | devices | changed | promote to its end | in sync after | reads | writes | reads per changed |\n\
         |---|---|---|---|---|---|---|\n",
        options.tier, options.valid_seconds
    );
    for Took { devices, changed, answered, in_sync, calls } in rows {
        let (answered, in_sync) = (answered.as_secs_f64(), in_sync.as_secs_f64());
        let each = calls.reads as f64 / f64::from(*changed).max(1.0);
        let (reads, writes) = (calls.reads, calls.writes + calls.bulk);
        let _ = writeln!(
            text,
            "| {devices} | {changed} | {answered:.1} s | {in_sync:.0} s | {reads} | {writes} | {each:.2} |"
        );
    }
    text
}
