//! iot-hadr on one machine: two hubs, storage, the functions host and a fleet, and what they do
//! together. Everything it drives is another program, spoken to by HTTP, MQTT and command line.

mod assignment;
mod bench;
mod blobs;
mod cli;
mod error;
mod fleet;
mod folders;
mod hubs;
mod operator;
mod package;
mod page;
mod partitions;
mod processes;
mod sas;
mod signals;
mod stage;
mod story;
mod switch;
mod terminal;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use error::LabError;

#[tokio::main]
async fn main() -> ExitCode {
    // A second installation is the only failure, and this is the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Whatever is running is ended by being dropped, so Ctrl-C needs nothing but to end the work.
    // Work that waits for it itself comes first.
    let done = tokio::select! {
        biased;
        done = run(Cli::parse()) => done,
        () = signals::interrupted() => Err(LabError::Interrupted),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), LabError> {
    if cli.command.as_ref().is_some_and(Command::measures) && processes::is_run_by_cargo() {
        processes::go_on_in_release().await?;
    }
    match cli.command {
        Some(Command::Stage { to }) => lay_out(to).await,
        Some(Command::Bench { quick }) => bench::run(quick, cli.logs).await,
        Some(Command::Tiers(options)) => bench::tiers::run(options, cli.logs).await,
        Some(Command::Rejoin(options)) => bench::rejoin::run(&options, cli.logs).await,
        Some(Command::Switch(options)) => switch::run(&options, cli.logs).await,
        Some(Command::Constant) => bench::constant::serve().await,
        None => story::tell(&cli.story, cli.logs).await,
    }
}

async fn lay_out(to: Option<PathBuf>) -> Result<(), LabError> {
    let app = folders::app_root()?;
    let (program, needs) = package::build(&app).await?;
    let to = to.unwrap_or_else(|| app.join("target/publish"));
    let staged = stage::stage(&app, &program, &to)?;
    println!("{}{needs}", stage::next_steps(&to, &staged));
    Ok(())
}
