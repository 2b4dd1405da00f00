//! Log lines: one line each, without colours.

use std::io;
use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt;

/// As the Functions host reads them: it takes stderr for errors and stdout for information, and
/// adds the time itself (read in its source). `filter` is `HADR_LOG`. A second call changes nothing.
pub fn log_to_the_host(filter: &str) {
    let writer = io::stderr.with_max_level(Level::ERROR).or_else(io::stdout);
    let lines = tracing_subscriber::fmt().with_ansi(false).without_time();
    let set = lines.with_env_filter(filtered(filter)).with_writer(writer).try_init();
    if set.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// For a command by hand: warnings to stderr, because stdout is the command's own.
pub fn log_to_the_operator() {
    let lines = tracing_subscriber::fmt().with_ansi(false).without_time();
    let _ = lines.with_env_filter(filtered("warn")).with_writer(io::stderr).try_init();
    std::panic::set_hook(Box::new(log_panic));
}

/// A failed attempt that is tried again is the storage client's own affair: what comes of it is
/// logged where it is handled.
fn filtered(filter: &str) -> EnvFilter {
    EnvFilter::new(format!("typespec_client_core=warn,azure_core=warn,{filter}"))
}

/// Where, and not what: a panic's message may hold what must not be logged.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a panic");
}
