//! The demonstration: devices created, changed and deleted on one hub appear on the other; a region dies, the other hub
//! takes over, devices move; the region comes back, what it still knew is brought over, and the fleet goes home.

pub(crate) mod cast;
mod disaster;
mod live;
mod scenes;
mod stay;
pub(crate) mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cli::StoryOptions;
use crate::error::LabError;
use crate::fleet::{Fleet, Roads};
use crate::folders::{self, Profile};
use crate::processes;
use crate::terminal::{Line, say, scene};
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

/// How long a scene stands before the next one.
const PAUSE: Duration = Duration::from_secs(2);
/// What the parts are.
const ABOUT: &str = "\
A hub in each, and between them the app, as Azure Functions would run it.
All of it is on this machine, and made up at start.";

/// The story while it is told.
pub(crate) struct Story {
    world: World,
    fleet: Fleet,
    roads: Roads,
    pumps: Vec<Pump>,
    pause: Duration,
}

/// Tells it.
///
/// # Errors
/// When a program fails, something does not come true in time, or the hubs differ at the end.
pub(crate) async fn tell(options: &StoryOptions, logs: Option<PathBuf>) -> Result<(), LabError> {
    say("Building the app, the two hubs and the Functions host, unless they are there.");
    processes::build(&folders::app_root()?, Profile::Own).await?;
    let started = Instant::now();
    let mut story = Story::begin(options, logs).await?;
    story.create().await?;
    story.connect().await?;
    story.change().await?;
    story.delete().await?;
    story.lose_the_region().await?;
    story.promote_by_force().await?;
    story.carry_on_elsewhere().await?;
    story.get_the_region_back().await?;
    story.go_home().await?;
    let same = story.compare().await;
    let told = format!("\nTold in {:.0} s.", started.elapsed().as_secs_f64());
    if options.stay {
        say(&told);
        story.stay().await?;
    } else {
        say(&format!("{told} {NEXT}"));
    }
    same
}

/// What to do with it now.
const NEXT: &str = "\
Next:
  cargo lab -- --stay     the same, then stays up: break it yourself
  cargo lab -- switch     is a write lost when roles change under traffic?
  cargo lab -- bench      how fast, and what it costs
  README.md, Quickstart   with two real hubs";

impl Story {
    async fn begin(options: &StoryOptions, logs: Option<PathBuf>) -> Result<Self, LabError> {
        scene("Two regions", ABOUT);
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
        let pumps = (1..=options.devices).map(Pump::new).collect();
        let pause = if options.fast { Duration::ZERO } else { PAUSE };
        Ok(Self { world, fleet: Fleet::default(), roads, pumps, pause })
    }
}
