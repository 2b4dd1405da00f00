//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A stand-in for the Azure Functions host, for custom handlers.
#[derive(Debug, Parser)]
#[command(name = "functions-host", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an app folder.
    Start(StartOptions),
    /// Become another program, tied to the life of the process that started this one: how `start` runs the handler.
    #[command(hide = true)]
    Guard {
        /// The process id of whoever started this.
        parent: i32,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

/// How to run an app.
#[derive(Clone, Debug, Args)]
pub struct StartOptions {
    /// The app folder: host.json and one subfolder per function.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub app: PathBuf,
    /// Where the event logs are served; needed when a function has an event hub trigger.
    #[arg(long, value_name = "URL")]
    pub event_logs: Option<String>,
    /// The HTTP port on 127.0.0.1; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = 7071)]
    pub port: u16,
    /// The control port on 127.0.0.1; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub control_port: u16,
    /// Where checkpoints are kept; without it they end with the process.
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,
    /// Own no partition until the control port says so: for hosts that share the partitions of one app.
    #[arg(long)]
    pub without_partitions: bool,
    /// A setting, stronger than the environment and local.settings.json. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub env: Vec<(String, String)>,
    /// Instead of local.settings.json in the app folder.
    #[arg(long, value_name = "FILE")]
    pub local_settings: Option<PathBuf>,
    /// Instead of defaultExecutablePath in host.json.
    #[arg(long, value_name = "PATH")]
    pub handler: Option<PathBuf>,
    /// Instead of maxEventBatchSize in host.json.
    #[arg(long, value_name = "EVENTS")]
    pub max_batch: Option<usize>,
    /// How often a crashed handler is restarted before the host stops; the host's own limit is 2.
    #[arg(long, value_name = "TIMES", default_value_t = 2)]
    pub max_restarts: u32,
    /// End on SIGTERM as on SIGINT; the real host (func) ignores it. For scripts and tests that end what they have started.
    #[arg(long)]
    pub end_on_sigterm: bool,
    /// Multiplies the intervals of retry policies.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    pub retry_scale: f64,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn factor(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| "a number is needed".to_owned())?;
    if (0.0..=1_000.0).contains(&factor) { Ok(factor) } else { Err("0 to 1000".to_owned()) }
}
