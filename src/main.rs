//! Started by the Functions host as its custom handler, or by hand with a command.

use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use iot_hadr::config::{self, BadSettings, Clients, Config, Environment};
use iot_hadr::{app, cli, host};

/// The allocator of musl has one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where the host says which port it will ask.
const PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";

/// Exit code of a start by hand without a command.
const NOTHING_TO_DO: u8 = 2;

/// Exit code when the root certificates cannot be had (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;

/// Exit code when the port, or a thread, cannot be had (`EX_OSERR`).
const OS_ERROR: u8 = 71;

/// Automatic cross-region failover for Azure IoT Hub, as an Azure Functions custom handler.
///
/// The Functions host starts it. In the app's folder: cargo build --release && func host start
#[derive(Parser)]
#[command(name = "iot-hadr", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Asked>,
    /// Settings for a command: NAME=VALUE lines, which go before the environment
    #[arg(long, value_name = "FILE", global = true)]
    env_file: Option<PathBuf>,
}

/// What is asked for by hand.
#[derive(Subcommand)]
enum Asked {
    #[command(flatten)]
    Command(cli::Command),
    /// Prints what completes commands and flags in a shell: `source <(iot-hadr completions bash)`
    Completions {
        /// Which shell
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment: Environment = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let port = environment.get(PORT).filter(|port| !port.is_empty());
    let code = match (arguments.command, port) {
        (Some(Asked::Completions { shell }), _) => completions(shell),
        (Some(Asked::Command(command)), _) => by_hand(command, environment, arguments.env_file.as_deref()),
        (None, Some(port)) => as_handler(port, &environment),
        (None, None) => {
            // A reader that has gone is no failure.
            let _ = Arguments::command().print_long_help();
            NOTHING_TO_DO
        }
    };
    ExitCode::from(code)
}

/// Needs no settings.
fn completions(shell: Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "iot-hadr", &mut script);
    // A reader that has gone is no failure.
    let _ = std::io::stdout().lock().write_all(&script);
    cli::exit::DONE
}

fn as_handler(port: &str, environment: &Environment) -> u8 {
    let Ok(port) = port.parse() else {
        eprintln!("{PORT}: '{port}' is not a port");
        return BadSettings::EXIT_CODE;
    };
    with_settings(environment, |config| async move {
        app::log_to_the_host(&config.log);
        match host::bind(port).await {
            Ok(listener) => app::run(config, listener).await.exit_code(),
            Err(why) => {
                tracing::error!(port, %why, "the port cannot be bound");
                OS_ERROR
            }
        }
    })
}

fn by_hand(command: cli::Command, environment: Environment, env_file: Option<&Path>) -> u8 {
    let found = match config::by_hand(environment, env_file, Path::new("")) {
        Ok(found) => found,
        Err(why) => {
            eprintln!("{why}");
            return BadSettings::EXIT_CODE;
        }
    };
    found.notice.iter().for_each(|notice| eprintln!("{notice}"));
    let code = with_settings(&found.environment, |config| async move {
        app::log_to_the_operator();
        match Clients::new(&config) {
            Ok(clients) => cli::run(command, &cli::Context { config, clients }).await,
            Err(why) => {
                eprintln!("{why}");
                UNAVAILABLE
            }
        }
    });
    if code == BadSettings::EXIT_CODE {
        eprintln!("{}", config::SOURCES);
    }
    code
}

fn with_settings<W: Future<Output = u8>>(environment: &Environment, work: impl FnOnce(Config) -> W) -> u8 {
    let config = match Config::read(environment) {
        Ok(config) => config,
        Err(bad) => {
            eprintln!("{bad}");
            return BadSettings::EXIT_CODE;
        }
    };
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        eprintln!("no thread can be started");
        return OS_ERROR;
    };
    let code = runtime.block_on(work(config));
    // Nothing is waited for any more: what was in flight had its time.
    runtime.shutdown_background();
    code
}
