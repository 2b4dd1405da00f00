//! (d), the second half: the handler's peak memory after many events, and how many TLS connections
//! it held meanwhile. Linux only: both are read from `/proc`.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::drain::percent;
use super::feed;
use super::setting::{IN_FLIGHT, Size, begin};
use super::table::Table;
use crate::error::LabError;
use crate::story::cast::Pump;
use crate::terminal::Line;
use crate::world::World;

/// Goals: peak memory in bytes and its growth.
const PEAK: f64 = 40e6;
const GROWTH: f64 = 0.10;
/// So that both hubs together see at most 64 TLS connections, which the goals are for: each hub
/// has connections of its own, and now and then one more is opened than requests are in flight.
const REQUESTS: u32 = 24;
/// Devices changed over and over.
const DEVICES: u32 = 250;
/// How often connections are counted.
const EVERY: Duration = Duration::from_millis(250);

/// What the speed measurements before took, as a note: no part of any goal.
pub(crate) fn note(world: &World, table: &mut Table) -> Result<(), LabError> {
    let peak = peak(world.running()?.number("/handlerPid")?)?;
    table.note(format!("(d) peak memory after (a) and (c), {IN_FLIGHT} in flight"), megabytes(peak));
    Ok(())
}

/// All three, into the table. A world of its own: peak memory never falls, so it must begin anew.
pub(crate) async fn measure(size: Size, logs: Option<PathBuf>, table: &mut Table) -> Result<(), LabError> {
    let mut line = Line::start("(d) memory");
    let mut world = begin(REQUESTS, logs).await?;
    world.start_host().await?;
    feed::create(&world.primary, &pumps()).await?;
    let pid = world.running()?.number("/handlerPid")?;
    let (first, last) = size.events;
    let (after_first, a) = after(&world, pid, first, &mut line).await?;
    let (after_last, b) = after(&world, pid, last, &mut line).await?;
    line.done(&megabytes(after_last));
    table.note(format!("(d) most TLS connections meanwhile, {REQUESTS} in flight"), a.max(b));
    table.note(format!("(d) peak memory after {first} events"), megabytes(after_first));
    let what = format!("(d) peak memory after {last} events");
    table.goal(what, megabytes(after_last), "< 40 MB", after_last < PEAK);
    let growth = after_last / after_first - 1.0;
    table.goal("(d) growth between the two", percent(growth), "< 10 %", growth < GROWTH);
    Ok(())
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

fn pumps() -> Vec<Pump> {
    (1..=DEVICES).map(Pump::new).collect()
}

/// Feeds changes until `events` have passed through the event hubs and been worked off; the peak
/// memory then, and the most connections seen.
async fn after(world: &World, pid: u64, events: u64, line: &mut Line) -> Result<(f64, usize), LabError> {
    let pumps = pumps();
    let mut most = 0;
    let mut done = passed(world).await?;
    while done < events {
        // A value that no earlier round has written.
        let feeding = feed::change(&world.primary, &pumps, done + 2);
        most = most.max(watching(world, pid, feeding).await?);
        done = passed(world).await?;
        line.show(&format!("{done} of {events} events"));
    }
    line.show("settling");
    most = most.max(watching(world, pid, world.settle()).await?);
    Ok((peak(pid)?, most))
}

/// Does `work`, counting the handler's connections to the hubs now and then.
async fn watching(
    world: &World,
    pid: u64,
    work: impl Future<Output = Result<(), LabError>>,
) -> Result<usize, LabError> {
    let ports = hub_ports(world);
    let mut most = 0;
    tokio::pin!(work);
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            done = &mut work => return done.map(|()| most),
            _ = ticks.tick() => most = most.max(connections(pid, &ports)),
        }
    }
}

/// Events in the logs so far, at both event hubs.
async fn passed(world: &World) -> Result<u64, LabError> {
    let barrier = world.emulator("GET", "/barrier?waitMs=10000", None).await?;
    let hubs = barrier.get("position").and_then(Value::as_object).into_iter().flatten();
    Ok(hubs
        .flat_map(|(_, partitions)| partitions.as_object().into_iter().flatten())
        .filter_map(|(_, next)| next.as_u64())
        .sum())
}

/// `VmHWM`, in bytes.
fn peak(pid: u64) -> Result<f64, LabError> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(LabError::file(path.as_ref()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.map(|kb| kb * 1024.0).ok_or_else(|| LabError::Malformed(path.into(), "no VmHWM".to_owned()))
}

fn hub_ports(world: &World) -> HashSet<u16> {
    let https = |host: &str| host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(443);
    [&world.primary, &world.secondary].iter().flat_map(|hub| [https(&hub.host), hub.mqtt_port]).collect()
}

/// Established connections of this process to these ports. 0 when `/proc` cannot be read.
fn connections(pid: u64, ports: &HashSet<u16>) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    let own: HashSet<String> = links.map(|link| link.display().to_string()).collect();
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    table.lines().filter(|line| to_one_of(line, ports, &own)).count()
}

/// Columns of `/proc/net/tcp`: remote address is the third, state the fourth (01 is established),
/// inode the tenth.
fn to_one_of(line: &str, ports: &HashSet<u16>, own: &HashSet<String>) -> bool {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let column = |index: usize| columns.get(index).copied().unwrap_or_default();
    let remote = column(2).rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
    column(3) == "01"
        && remote.is_some_and(|port| ports.contains(&port))
        && own.contains(&format!("socket:[{}]", column(9)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "  12: 0100007F:A5F2 0100007F:9C41 01 00000000:00000000 00:00000000 00000000 0 0 4711 1";

    #[test]
    fn only_this_processs_established_connections_to_a_hub_count() {
        let (ports, own) = (HashSet::from([0x9C41]), HashSet::from(["socket:[4711]".to_owned()]));
        assert!(to_one_of(LINE, &ports, &own));
        assert!(!to_one_of(&LINE.replace(" 01 ", " 06 "), &ports, &own));
        assert!(!to_one_of(LINE, &HashSet::from([443]), &own));
        assert!(!to_one_of(LINE, &ports, &HashSet::new()));
    }
}
