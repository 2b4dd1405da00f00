//! (a) and (b): how fast a backlog is worked off, and what it costs in hub calls.
//!
//! A backlog is built while the functions host is paused and the hubs answer at once; then the
//! round trip is set, the host goes on, and the clock runs until it is idle. What the app's own
//! writes cause on the standby (echoes) is held back meanwhile and counted in a second phase. The
//! routed copy of a device's creation is dropped, so that registry-sync is measured alone.

use std::time::Instant;

use serde_json::json;

use super::calls::{self, Calls};
use super::feed;
use super::setting::{IN_FLIGHT, ROUND_TRIP_MS, Size, latency};
use super::table::Table;
use crate::error::LabError;
use crate::story::cast::Pump;
use crate::terminal::Line;
use crate::world::World;

/// More events than any run makes.
const ALL: u32 = 10_000_000;
/// Goals: the share of the bound, and calls per created and per changed device.
const SHARE: f64 = 0.70;
const CREATE_READS: f64 = 3.0;
const CREATE_BULK: f64 = 1.0 / 50.0;
const CHANGE_READS: f64 = 2.0;
const CHANGE_WRITES: f64 = 1.0;
const ECHO_READS: f64 = 1.0;
/// Fixed reads of a run (probes and the like) may show in the third digit.
const ROUNDING: f64 = 0.05;

/// What one backlog cost.
struct Drained {
    identities: f64,
    seconds: f64,
    work: Calls,
    echoes: Calls,
}

/// Both backlogs, into the table.
pub(crate) async fn measure(world: &World, size: Size, table: &mut Table) -> Result<(), LabError> {
    let pumps: Vec<Pump> = (1..=size.identities).map(Pump::new).collect();
    let line = Line::start("(a) registry-sync");
    world.host("POST", "/pause").await?;
    rule(world, "devicetwin", "drop").await?;
    feed::create(&world.primary, &pumps).await?;
    let created = drain(world, size).await?;
    line.done(&format!("{} devices in {:.1} s", size.identities, created.seconds));
    speed(table, "registry-sync", &created);
    let line = Line::start("(a) twin-sync");
    world.host("POST", "/pause").await?;
    feed::change(&world.primary, &pumps, 1).await?;
    let changed = drain(world, size).await?;
    line.done(&format!("{} twins in {:.1} s", size.identities, changed.seconds));
    speed(table, "twin-sync", &changed);
    costs(table, &created, &changed);
    Ok(())
}

/// From the paused backlog to rest, in two phases.
async fn drain(world: &World, size: Size) -> Result<Drained, LabError> {
    world.emulator("GET", "/barrier?waitMs=60000", None).await?;
    world.emulator("DELETE", "/events", None).await?;
    rule(world, "registry", "hold").await?;
    rule(world, "devicetwin", "hold").await?;
    calls::forget(world).await?;
    latency(world, ROUND_TRIP_MS).await?;
    let started = Instant::now();
    world.host("POST", "/resume").await?;
    idle(world).await?;
    let seconds = started.elapsed().as_secs_f64();
    let work = calls::counted(world).await?;
    latency(world, 0).await?;
    calls::forget(world).await?;
    world.emulator("DELETE", "/events", None).await?;
    world.emulator("POST", "/events/release", Some(json!({ "order": "forward" }))).await?;
    world.settle().await?;
    let echoes = calls::counted(world).await?;
    Ok(Drained { identities: f64::from(size.identities), seconds, work, echoes })
}

async fn idle(world: &World) -> Result<(), LabError> {
    let deadline = Instant::now() + std::time::Duration::from_secs(300);
    while Instant::now() < deadline {
        if world.host("GET", "/idle?waitMs=10000").await?.0 == 200 {
            return Ok(());
        }
    }
    Err(LabError::Late("for the backlog".to_owned()))
}

async fn rule(world: &World, event_hub: &str, mode: &str) -> Result<(), LabError> {
    let body = json!({ "eventHub": event_hub, "mode": mode, "times": ALL });
    world.emulator("POST", "/events", Some(body)).await.map(|_| ())
}

fn speed(table: &mut Table, name: &str, drained: &Drained) {
    let rate = drained.identities / drained.seconds;
    let calls = per(drained.work.total(), drained);
    let bound = f64::from(IN_FLIGHT) / (calls * ROUND_TRIP_MS as f64 / 1_000.0);
    let share = rate / bound;
    let what = format!("(a) {name}, identities/s at {ROUND_TRIP_MS} ms, {IN_FLIGHT} in flight");
    table.note(what, format!("{rate:.0} of {bound:.0}"));
    table.goal(format!("(a) {name}, share of the bound"), percent(share), "≥ 70 %", share >= SHARE);
}

fn costs(table: &mut Table, created: &Drained, changed: &Drained) {
    let (reads, bulk, writes) = each(created.work, created);
    let met = reads <= CREATE_READS + ROUNDING && bulk <= CREATE_BULK + ROUNDING / 10.0 && writes <= ROUNDING;
    let figure = format!("{reads:.2} reads, {bulk:.3} bulk, {writes:.2} writes");
    table.goal("(b) hub calls per created device", figure, "≤ 3 reads, 1/50 bulk", met);
    let (reads, bulk, writes) = each(changed.work, changed);
    let met = reads <= CHANGE_READS + ROUNDING && writes <= CHANGE_WRITES + ROUNDING && bulk <= ROUNDING;
    let figure = format!("{reads:.2} reads, {writes:.2} writes");
    table.goal("(b) hub calls per changed device", figure, "≤ 2 reads, 1 PATCH", met);
    for (name, drained) in [("created", created), ("changed", changed)] {
        let (reads, bulk, writes) = each(drained.echoes, drained);
        let figure = format!("{reads:.2} reads, {:.2} writes", bulk + writes);
        let met = reads <= ECHO_READS + ROUNDING && drained.echoes.bulk + drained.echoes.writes == 0;
        table.goal(format!("(b) echo of a {name} device"), figure, "≤ 1 read, 0 writes", met);
    }
}

fn each(calls: Calls, drained: &Drained) -> (f64, f64, f64) {
    (per(calls.reads, drained), per(calls.bulk, drained), per(calls.writes, drained))
}

fn per(count: u64, drained: &Drained) -> f64 {
    count as f64 / drained.identities
}

/// A share as the table writes it.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
