//! (c): the router beside a route that returns a constant: same client, same run, turn by turn.

use std::net::{Ipv4Addr, SocketAddr};

use super::drain::percent;
use super::load::{self, CONNECTIONS, Load};
use super::setting::Size;
use super::table::Table;
use crate::error::LabError;
use crate::processes::{self, Program};
use crate::terminal::Line;
use crate::world::World;

/// The goal: the router's share of the constant's rate.
const SHARE: f64 = 0.85;
const PATH: &str = "/api/hub-router/pump-001";

/// Both, into the table.
pub(crate) async fn measure(world: &World, size: Size, table: &mut Table) -> Result<(), LabError> {
    let line = Line::start("(c) the router");
    let constant = start_constant(world).await?;
    let beside = address(constant.number("/port")?);
    let router = address(world.running()?.number("/handlerPort")?);
    let (rounds, seconds) = size.rounds;
    let (mut ours, mut theirs) = (Load::default(), Load::default());
    for _ in 0..rounds {
        theirs = theirs.and(load::run(beside, PATH, seconds).await?);
        ours = ours.and(load::run(router, PATH, seconds).await?);
    }
    line.done(&format!("{:.0} requests/s", ours.rate()));
    let share = ours.rate() / theirs.rate();
    table.note(format!("(c) constant route, {CONNECTIONS} connections"), figures(&theirs));
    table.note(format!("(c) hub-router, {CONNECTIONS} connections"), figures(&ours));
    table.goal("(c) hub-router, share of the constant route", percent(share), "≥ 85 %", share >= SHARE);
    Ok(())
}

fn figures(load: &Load) -> String {
    let (p50, p99) = (load.quantile(0.50), load.quantile(0.99));
    format!("{:.0}/s, p50 {p50} µs, p99 {p99} µs", load.rate())
}

fn address(port: u64) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap_or_default()).into()
}

async fn start_constant(world: &World) -> Result<Program, LabError> {
    let me = std::env::current_exe().map_err(LabError::file(std::path::Path::new("this program")))?;
    let mut command = processes::command(&me);
    command.arg("constant");
    Program::start("constant", command, world.logs()).await
}
