//! Two or more IoT Hubs on this machine.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use std::io::Write;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use iothub_emulator::cli::{AuthorityDir, Command, CommandLine, Options};
use iothub_emulator::{running, trust};

/// A request makes and frees hundreds of small pieces of memory: with the C library's allocator that is two fifths of
/// what it costs (measured), with as much memory used in the end.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let line = CommandLine::parse();
    if let Some(why) = line.contradiction() {
        CommandLine::command().error(ErrorKind::ArgumentConflict, why).exit();
    }
    let CommandLine { command, options } = line;
    match command {
        Some(Command::Trust(trust)) => print_trust(&options.authority, trust.json),
        None => run(&options).await,
    }
}

async fn run(options: &Options) -> ExitCode {
    let running = match running::start(options).await {
        Ok(running) => running,
        Err(error) => {
            tracing::error!(%error, "the emulator did not start");
            return ExitCode::FAILURE;
        }
    };
    let mut stdout = std::io::stdout();
    // Whoever started this and does not read the line has no use for a failure to write it.
    let _unread = writeln!(stdout, "{}", running.ready).and_then(|()| stdout.flush());
    until_told(options.exit_with_stdin).await;
    running.stop.cancel();
    ExitCode::SUCCESS
}

fn print_trust(directory: &AuthorityDir, json: bool) -> ExitCode {
    let authority = match running::authority(directory) {
        Ok(authority) => authority,
        Err(error) => {
            tracing::error!(%error, "there is nothing to trust");
            return ExitCode::FAILURE;
        }
    };
    let told = match json {
        true => format!("{}\n", trust::for_a_program(authority.file())),
        false => trust::for_a_shell(authority.file()),
    };
    let mut stdout = std::io::stdout();
    match stdout.write_all(told.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn until_told(exit_with_stdin: bool) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = stdin_closed(), if exit_with_stdin => {}
    }
}

/// Reads on a thread of its own: a blocked read must not keep the process from ending.
async fn stdin_closed() {
    let (closed, told) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _closed = closed;
        let _end = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    });
    let _gone = told.await;
}
