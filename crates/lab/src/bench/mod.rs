//! The measurements, all from one run: replication speed, hub calls per change, the router beside
//! a route that does nothing, and what the process costs.

mod calls;
pub(crate) mod constant;
mod drain;
mod feed;
mod load;
mod memory;
pub(crate) mod rejoin;
mod router;
mod setting;
mod startup;
mod table;
pub(crate) mod tiers;

use std::path::PathBuf;

use crate::error::LabError;
use crate::folders::{self, Profile};
use crate::processes;
use crate::terminal::say;
use setting::{IN_FLIGHT, QUICK, Size, WHOLE, begin};
use table::Table;

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
