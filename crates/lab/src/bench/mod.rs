//! The measurements, all from one run: replication speed, hub calls per change, the router beside
//! a route that does nothing, and what the process costs.

mod calls;
pub(crate) mod constant;
mod drain;
mod feed;
mod load;
mod memory;
mod router;
mod startup;
mod table;
pub(crate) mod tiers;

use std::path::PathBuf;

use serde_json::json;

use crate::error::LabError;
use crate::folders::{self, Profile};
use crate::processes;
use crate::terminal::say;
use crate::world::World;
use table::Table;

/// Round trip added to every hub request, milliseconds.
const ROUND_TRIP_MS: u64 = 20;
/// Identities worked on at once, by the app's own setting.
const IN_FLIGHT: u32 = 64;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Devices created, and twins changed, for (a) and (b).
    identities: u32,
    /// Events after which memory is read: first and second time, for (d).
    events: (u64, u64),
    /// Rounds of the router's load, for (c), and seconds of each.
    rounds: (u32, f64),
    /// Starts of the program, for (d).
    starts: u32,
}

const WHOLE: Size = Size { identities: 4_000, events: (10_000, 100_000), rounds: (5, 2.0), starts: 11 };
const QUICK: Size = Size { identities: 300, events: (2_000, 4_000), rounds: (1, 0.5), starts: 3 };

/// Measures and prints the table.
///
/// # Errors
/// When a program fails or a measurement cannot be taken; a goal that is missed is no error.
pub(crate) async fn run(quick: bool, logs: Option<PathBuf>) -> Result<(), LabError> {
    let size = if quick { QUICK } else { WHOLE };
    processes::build(&folders::app_root()?, Profile::Own).await?;
    let mut table = Table::new(quick);
    speed_and_costs(size, logs.clone(), &mut table).await?;
    memory::measure(size, logs, &mut table).await?;
    say(&table.to_string());
    Ok(())
}

/// (a), (b), (c) and the starts of (d), in one world.
async fn speed_and_costs(size: Size, logs: Option<PathBuf>, table: &mut Table) -> Result<(), LabError> {
    let mut world = begin(IN_FLIGHT, logs).await?;
    startup::measure(&world, size, table).await?;
    world.start_host().await?;
    drain::measure(&world, size, table).await?;
    router::measure(&world, size, table).await?;
    memory::note(&world, table)
}

/// Hubs and storage with the app laid out and initialised; the functions host is not started.
async fn begin(in_flight: u32, logs: Option<PathBuf>) -> Result<World, LabError> {
    begin_with(in_flight, &[], logs).await
}

/// The same with more settings of the app.
async fn begin_with(
    in_flight: u32,
    settings: &[(&str, &str)],
    logs: Option<PathBuf>,
) -> Result<World, LabError> {
    let mut world = World::start(logs).await?;
    world.set("HADR_MAX_IN_FLIGHT", in_flight);
    for (name, value) in settings {
        world.set(name, value);
    }
    world.app(&["init"]).await?;
    Ok(world)
}

/// Sets the round trip both hubs add.
async fn latency(world: &World, milliseconds: u64) -> Result<(), LabError> {
    for hub in [&world.primary, &world.secondary] {
        let path = format!("/hubs/{}/latency", hub.name);
        world.emulator("POST", &path, Some(json!({ "milliseconds": milliseconds }))).await?;
    }
    Ok(())
}
