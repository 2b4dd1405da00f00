//! `cargo lab -- switch`: roles are switched under traffic, and in the end every write that a hub accepted is accounted
//! for: on both hubs, superseded by a later one, named in a loss report, named as pending, or lost.
//!
//! | file | what |
//! |---|---|
//! | `options` | the command line |
//! | `ledger` | every write that was sent, and what the hub said |
//! | `fields` | which fields are written |
//! | `reporter`, `back_end` | the clients |
//! | `mishaps` | handlers that are killed or frozen |
//! | `roles`, `promotion` | the promotions, one after the other |
//! | `rest` | waiting for both hubs to come to rest when traffic has ended |
//! | `evidence` | what both hubs hold in the end, and what the app names |
//! | `account` | the verdict on each write; pure |
//! | `judgement` | whether the run was good, and what is printed of it |
//! | `report` | the tables |
//! | `trail` | every event of the devices in question |

mod account;
mod back_end;
mod evidence;
mod fields;
mod judgement;
mod ledger;
mod mishaps;
mod options;
mod promotion;
mod report;
mod reporter;
mod rest;
mod roles;
mod trail;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::LabError;
use crate::fleet::Roads;
use crate::folders::{self, Profile};
use crate::hubs::BULK_LIMIT;
use crate::partitions::Partitions;
use crate::processes;
use crate::story::cast::Pump;
use crate::terminal::Line;
use crate::world::World;
use back_end::BackEnd;
use judgement::Run;
use ledger::Ledger;
use mishaps::Mishaps;
pub(crate) use options::SwitchOptions;
use options::Weather;
use reporter::Reporter;
use roles::Roles;

/// How often the routing record is read.
const REFRESH_SECONDS: u32 = 1;
/// How often the app looks at what is pending.
const PENDING_SECONDS: u32 = 2;
/// Deletes an hour the app may make here.
const DELETE_BUDGET: u32 = 100_000;
/// How long clients may take to end what they are at.
const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// What bad weather is, in the emulator's switches.
const BAD_WEATHER: [(&str, u64); 7] = [
    ("queryLagMs", 1_500),
    ("queryGhostMs", 60_000),
    ("registryDuplicatePercent", 30),
    ("devicetwinDuplicatePercent", 30),
    ("registryRewindPercent", 10),
    ("devicetwinRewindPercent", 10),
    ("registryReorderPercent", 30),
];

/// Switches roles under traffic and accounts for it.
///
/// # Errors
/// When a program fails, roles do not become in-sync again, hubs differ in the end, or a write is lost.
pub(crate) async fn run(options: &SwitchOptions, logs: Option<PathBuf>) -> Result<(), LabError> {
    processes::build(&folders::app_root()?, Profile::Own).await?;
    let world = begin(options, logs).await?;
    let ledger = Ledger::new();
    let pumps = make_fleet(&world, &ledger, options.devices).await?;
    let (stop, stopped) = watch::channel(false);
    let mut traffic = traffic(&world, &ledger, options, &pumps, &stopped).await?;
    let mishaps = Mishaps::new(&ledger);
    let happen =
        mishaps.clone().happen(world.http().clone(), world.host_controls()?, options.clone(), stopped);
    traffic.spawn(happen);
    let promotions = Roles::new(&world, &ledger, options)?.run().await?;
    end(traffic, &stop).await;
    let evidence = rest::settled(&world).await?;
    let writes = ledger.close();
    let run = Run::new(options, &writes, &evidence, &promotions);
    mishaps.keep(world.logs())?;
    trail::keep(&world, &ledger, &run.devices_in_question()).await?;
    run.judge(world.logs(), &mishaps)
}

async fn begin(options: &SwitchOptions, logs: Option<PathBuf>) -> Result<World, LabError> {
    let line = Line::start("two hubs, storage, the app");
    let mut world = World::start(logs).await?;
    world.set("HADR_ROUTER_VALID_SECONDS", options.valid_seconds);
    world.set("HADR_LEASE_SECONDS", options.lease_seconds);
    world.set("HADR_RECORD_REFRESH_SECONDS", REFRESH_SECONDS);
    world.set("HADR_SWEEP_EVERY_SECONDS", PENDING_SECONDS);
    if let Ok(log) = std::env::var("HADR_LOG") {
        world.set("HADR_LOG", log);
    }
    world.set("HADR_DELETES_PER_HOUR", DELETE_BUDGET);
    if options.weather == Weather::Bad {
        let mut switches: serde_json::Map<String, Value> =
            BAD_WEATHER.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        switches.insert("eventTroubleSeed".to_owned(), json!(options.seed));
        world.emulator("POST", "/switches", Some(switches.into())).await?;
    }
    world.app(&["init"]).await?;
    // The host ends after the third crash, and Azure starts another one: here it is the same one.
    world.restart_handlers(u32::MAX);
    for _ in 0..options.handlers {
        world.start_host().await?;
    }
    line.done(&format!("{} handler(s), logs in {}", options.handlers, world.logs().display()));
    Ok(world)
}

/// The devices, made on the primary.
async fn make_fleet(world: &World, ledger: &Ledger, devices: u32) -> Result<Vec<Pump>, LabError> {
    let line = Line::start("the fleet");
    let pumps: Vec<Pump> = (1..=devices).map(Pump::new).collect();
    let nothing = json!({});
    let items: Vec<Value> = pumps.iter().map(|pump| pump.bulk_item(&nothing, &nothing)).collect();
    for items in items.chunks(BULK_LIMIT) {
        let ticket = ledger.sent(items.iter().filter_map(back_end::made).collect(), 0);
        world.primary.create_bulk(items).await?;
        ledger.accepted(ticket);
    }
    world.settle().await?;
    line.done(&format!("{devices} devices"));
    Ok(pumps)
}

/// Every client, and what moves partitions.
async fn traffic(
    world: &World,
    ledger: &Ledger,
    options: &SwitchOptions,
    pumps: &[Pump],
    stop: &watch::Receiver<bool>,
) -> Result<JoinSet<()>, LabError> {
    let hubs = [world.primary.clone(), world.secondary.clone()];
    let hosts = [world.primary.host.clone(), world.secondary.host.clone()];
    let roads = Roads::new(
        world.routers()?,
        world.http().clone(),
        &world.ca_file,
        [&world.primary, &world.secondary],
    )?;
    let mut tasks = JoinSet::new();
    for (pump, number) in pumps.iter().zip(1..) {
        // Each client has a sequence of its own.
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(number);
        let device = Reporter::new((&pump.id, pump.key()), &roads, hosts.clone(), ledger, seed);
        tasks.spawn(device.live(stop.clone()));
    }
    let fleet = pumps.iter().map(|pump| pump.id.clone()).collect();
    let back_end = BackEnd::new(hubs, fleet, ledger, options.seed);
    tasks.spawn(back_end.work(roads.router("back-end"), (options.rate, options.churn), stop.clone()));
    let controls = world.host_controls()?;
    let partitions = Partitions::of(world.http().clone(), controls, options.seed).await;
    let partitions = partitions.map_err(LabError::refused("GET /positions"))?;
    tasks.spawn(partitions.wander(stop.clone()));
    Ok(tasks)
}

/// Ends traffic; what is on its way is waited for.
async fn end(mut traffic: JoinSet<()>, stop: &watch::Sender<bool>) {
    stop.send_replace(true);
    let all = async { while traffic.join_next().await.is_some() {} };
    // What takes longer has no answer, and that is how it stands in the ledger.
    let _ = tokio::time::timeout(ENDS_WITHIN, all).await;
}
