//! Started by the Functions host as its custom handler, or by hand with a command.

use std::process::ExitCode;

use iot_hadr::config::{BadSettings, Config, Environment};
use iot_hadr::{app, host};

/// Where the host says which port it will ask.
const PORT: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";

/// Exit code of a start by hand without a command.
const NOTHING_TO_DO: u8 = 2;

/// Exit code when the port, or a thread, cannot be had (`EX_OSERR`).
const OS_ERROR: u8 = 71;

const WHAT_IT_IS: &str = "\
iot-hadr: automatic cross-region failover for Azure IoT Hub.

It is a custom handler: the Azure Functions host starts it. In the app's folder:
  cargo build --release && func host start
By hand:
  iot-hadr help
";

fn main() -> ExitCode {
    // Fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment: Environment = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    match environment.get(PORT).filter(|port| !port.is_empty()) {
        Some(port) => handler(port, &environment),
        None => {
            print!("{WHAT_IT_IS}");
            ExitCode::from(NOTHING_TO_DO)
        }
    }
}

fn handler(port: &str, environment: &Environment) -> ExitCode {
    let Ok(port) = port.parse() else {
        eprintln!("{PORT}: '{port}' is not a port");
        return ExitCode::from(BadSettings::EXIT_CODE);
    };
    let config = match Config::read(environment) {
        Ok(config) => config,
        Err(bad) => {
            eprintln!("{bad}");
            return ExitCode::from(BadSettings::EXIT_CODE);
        }
    };
    app::init_logging(&config.log);
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        tracing::error!("no thread can be started");
        return ExitCode::from(OS_ERROR);
    };
    let code = runtime.block_on(async {
        match host::bind(port).await {
            Ok(listener) => app::run(config, listener).await.exit_code(),
            Err(why) => {
                tracing::error!(port, %why, "the port cannot be bound");
                OS_ERROR
            }
        }
    });
    runtime.shutdown_background();
    ExitCode::from(code)
}
