//! The command line: `cargo lab [-- …]`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::bench::rejoin::RejoinOptions;
use crate::bench::tiers::TiersOptions;
use crate::switch::SwitchOptions;

/// iot-hadr on this machine: two hubs, storage, the functions host and a fleet of devices.
#[derive(Debug, Parser)]
#[command(name = "cargo lab --", bin_name = "cargo lab --")]
pub(crate) struct Cli {
    /// What to do; without it, the story.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The story's options.
    #[command(flatten)]
    pub(crate) story: StoryOptions,
    /// Keep the programs' logs in this folder.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) logs: Option<PathBuf>,
}

/// Everything but the story.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lay out what a publish to Azure needs in target/publish.
    Stage {
        /// Where to, instead of target/publish.
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// Measure, and print one table with the goals beside.
    Bench {
        /// Small numbers: shows that it works, not how fast.
        #[arg(long)]
        quick: bool,
    },
    /// Measure how the app lives under the limits of S1, S2 and S3.
    Tiers(TiersOptions),
    /// Measure what a planned promotion of a large fleet costs, until both hubs are in sync again.
    Rejoin(RejoinOptions),
    /// Switch roles under traffic, and account for every write that a hub accepted.
    Switch(SwitchOptions),
    /// The benchmark's yardstick: serve a constant.
    #[command(hide = true)]
    Constant,
}

impl Command {
    /// Whether figures come of it, which only an optimised build may give.
    pub(crate) fn measures(&self) -> bool {
        matches!(self, Self::Bench { .. } | Self::Tiers(_) | Self::Rejoin(_) | Self::Switch(_))
    }
}

/// Options of the story.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoryOptions {
    /// Stay up at the end and say what to try.
    #[arg(long)]
    pub(crate) stay: bool,
    /// Do not stop between scenes.
    #[arg(long)]
    pub(crate) fast: bool,
    /// Devices in the fleet.
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(4..=900))]
    pub(crate) devices: u32,
}
