//! The demonstration: devices created, changed and deleted on one hub appear on the other; the
//! other takes over; devices move; and back again.

pub(crate) mod cast;
mod scenes;
mod stay;
pub(crate) mod watch;

use std::path::PathBuf;
use std::time::Instant;

use crate::cli::StoryOptions;
use crate::error::LabError;
use crate::fleet::{Fleet, Roads};
use crate::folders::{self, Profile};
use crate::processes;
use crate::terminal::{Line, say};
use crate::world::World;
use cast::Pump;

/// How long the router's answer is good in the lab; a real deployment asks less often.
const VALID_FOR_SECONDS: u32 = 2;
/// How long authority lasts in the lab, so that a promotion takes moments.
const LEASE_SECONDS: u32 = 2;
/// How often the routing record is read.
const REFRESH_SECONDS: u32 = 1;
/// How often the app looks at what is pending.
const PENDING_SECONDS: u32 = 2;
/// Deletes an hour the app may make here; the story deletes a quarter of its fleet at once.
const DELETE_BUDGET: u32 = 1_000;

/// The story while it is told.
pub(crate) struct Story {
    world: World,
    fleet: Fleet,
    roads: Roads,
    pumps: Vec<Pump>,
}

/// Tells it.
///
/// # Errors
/// When a program fails, something does not come true in time, or the hubs differ at the end.
pub(crate) async fn tell(options: &StoryOptions, logs: Option<PathBuf>) -> Result<(), LabError> {
    processes::build(&folders::app_root()?, Profile::Own).await?;
    let started = Instant::now();
    let mut story = Story::begin(options.devices, logs).await?;
    story.create().await?;
    story.connect().await?;
    story.change().await?;
    story.delete().await?;
    story.promote("secondary", "the primary's region is to be serviced").await?;
    story.carry_on_elsewhere().await?;
    story.promote("primary", "the primary's region is back").await?;
    let same = story.compare().await;
    say(&format!("\nTold in {:.0} s.", started.elapsed().as_secs_f64()));
    if options.stay {
        stay::stay(&story.world, &story.pumps, story.fleet.len()).await?;
    }
    same
}

impl Story {
    async fn begin(devices: u32, logs: Option<PathBuf>) -> Result<Self, LabError> {
        let line = Line::start("two hubs, storage, the app");
        let mut world = World::start(logs).await?;
        world.set("HADR_ROUTER_VALID_SECONDS", VALID_FOR_SECONDS);
        world.set("HADR_LEASE_SECONDS", LEASE_SECONDS);
        world.set("HADR_RECORD_REFRESH_SECONDS", REFRESH_SECONDS);
        world.set("HADR_SWEEP_EVERY_SECONDS", PENDING_SECONDS);
        world.set("HADR_DELETES_PER_HOUR", DELETE_BUDGET);
        world.app(&["init"]).await?;
        world.start_host().await?;
        let router = world.router()?;
        let hubs = [&world.primary, &world.secondary];
        let roads = Roads::new(world.routers()?, world.http().clone(), &world.ca_file, hubs)?;
        line.done(&format!("router at {router}"));
        let pumps = (1..=devices).map(Pump::new).collect();
        Ok(Self { world, fleet: Fleet::default(), roads, pumps })
    }
}
