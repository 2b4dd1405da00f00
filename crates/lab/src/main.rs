//! iot-hadr on one machine: two hubs, storage, the functions host and a fleet, and what they do
//! together. Everything it drives is another program, spoken to by HTTP, MQTT and command line.

mod blobs;
mod cli;
mod error;
mod folders;
mod stage;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use error::LabError;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), LabError> {
    match cli.command {
        Some(Command::Stage { to }) => {
            let app = folders::app_root()?;
            let program = folders::release_folder()?.join("iot-hadr");
            let to = to.unwrap_or_else(|| app.join("target/publish"));
            let staged = stage::stage(&app, &program, &to)?;
            print!("{}", stage::next_steps(&to, &staged));
            Ok(())
        }
        Some(Command::Bench { .. }) | None => Ok(()),
    }
}
