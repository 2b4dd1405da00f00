//! `functions-host`: see the crate's README.

use std::process::ExitCode;

use clap::Parser;
use functions_host::{Cli, Command, HostError, guard};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Start(options) => start(options),
        Command::Guard { parent, command } => {
            let error = guard::become_handler(parent, &command);
            eprintln!("the handler cannot be started: {error}");
            ExitCode::from(126)
        }
    }
}

fn start(options: functions_host::StartOptions) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(functions_host::run(options));
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            if matches!(error, HostError::Crashed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}
