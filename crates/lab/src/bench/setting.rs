//! What all measurements share: how much is done, and the world it is done in.

use std::path::PathBuf;

use serde_json::json;

use crate::error::LabError;
use crate::world::World;

/// Round trip added to every hub request, milliseconds.
pub(super) const ROUND_TRIP_MS: u64 = 20;
/// Identities worked on at once, by the app's own setting.
pub(super) const IN_FLIGHT: u32 = 64;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Devices created, and twins changed, for (a) and (b).
    pub(super) identities: u32,
    /// Events after which memory is read: first and second time, for (d).
    pub(super) events: (u64, u64),
    /// Rounds of the router's load, for (c), and seconds of each.
    pub(super) rounds: (u32, f64),
    /// Starts of the program, for (d).
    pub(super) starts: u32,
}

/// The benchmark.
pub(super) const WHOLE: Size =
    Size { identities: 4_000, events: (10_000, 100_000), rounds: (5, 2.0), starts: 11 };
/// A quick run of it.
pub(super) const QUICK: Size = Size { identities: 300, events: (2_000, 4_000), rounds: (1, 0.5), starts: 3 };

/// Hubs and storage with the app laid out and initialised; the functions host is not started.
pub(super) async fn begin(in_flight: u32, logs: Option<PathBuf>) -> Result<World, LabError> {
    begin_with(in_flight, &[], logs).await
}

/// The same with more settings of the app.
pub(super) async fn begin_with(
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
pub(super) async fn latency(world: &World, milliseconds: u64) -> Result<(), LabError> {
    for hub in [&world.primary, &world.secondary] {
        let path = format!("/hubs/{}/latency", hub.name);
        world.emulator("POST", &path, Some(json!({ "milliseconds": milliseconds }))).await?;
    }
    Ok(())
}
