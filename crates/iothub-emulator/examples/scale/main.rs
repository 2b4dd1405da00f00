//! Measures the emulator at scale and prints a table: a hub is filled with devices that have 1 KB twins, through its
//! own HTTPS bulk route, and then asked and changed over keep-alive connections. Emulator and client share the machine.
//!
//! ```text
//! cargo run --release -p iothub-emulator --example scale -- --devices 1000000
//! ```
#![allow(missing_docs, clippy::unwrap_used)]

mod client;
mod emulator;
mod load;
mod table;

use clap::Parser;
use std::path::PathBuf;
use std::time::Duration;

use emulator::Emulator;
use table::Table;

/// The goals: devices with 1 KB twins in so many bytes, and simple requests per second.
const GOAL_BYTES: u64 = 4 << 30;
const GOAL_DEVICES: u64 = 1_000_000;
const GOAL_RATE: f64 = 15_000.0;

/// Measures the emulator at scale.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Options {
    /// Devices to create, each with a twin of 1 KB.
    #[arg(long, default_value_t = GOAL_DEVICES)]
    devices: u64,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Seconds of each kind of request.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measures with this journal directory too; it must be empty or absent.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The emulator to measure; built and taken from the same target directory unless given.
    #[arg(long)]
    emulator: Option<PathBuf>,
    /// Given to the emulator as they are.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What a request may cost in microseconds, emulator and client together, so that two processors reach the goal.
const GOAL_COST: f64 = 2e6 / GOAL_RATE;

fn main() {
    let _first = rustls::crypto::ring::default_provider().install_default();
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut table = Table::new(&options);
    runtime.block_on(measure(&options, None, &mut table));
    if let Some(data) = options.data.clone() {
        runtime.block_on(measure(&options, Some(data), &mut table));
    }
    println!("{table}");
}

async fn measure(options: &Options, data: Option<PathBuf>, table: &mut Table) {
    let what = if data.is_some() { ", with --data" } else { "" };
    let emulator = Emulator::start(options, data.as_deref()).await;
    let idle = emulator.memory();
    let mut hub = emulator.connect(options.connections).await;
    let filled = load::fill(&mut hub, options.devices).await;
    table.filled(what, options, &filled, idle, emulator.memory());
    let time = Duration::from_secs(options.seconds);
    for (name, kind) in [("GET twin", load::Kind::Get), ("PATCH twin", load::Kind::Patch)] {
        table.rate(
            &format!("{name}{what}"),
            Some(GOAL_RATE),
            &load::run(&emulator, &mut hub, options.devices, kind, time).await,
        );
    }
    let mut other = emulator.connect(1).await;
    let (counted, asked) = tokio::join!(
        load::count(&mut other),
        load::run(&emulator, &mut hub, options.devices, load::Kind::Get, time),
    );
    assert_eq!(counted.devices, options.devices);
    table.seconds(&format!("COUNT() over all devices, under load{what}"), counted.took);
    table.rate(&format!("GET twin beside the count{what}"), None, &asked);
    table.memory(&format!("peak memory at the end{what}"), options, emulator.memory());
    if let Some(data) = data {
        table.restart(options, emulator.restart(options, &data).await);
    }
}
