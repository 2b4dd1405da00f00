//! Log lines: one line each, without colours.

use std::io;
use std::panic::PanicHookInfo;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::log_writer::WithoutKeys;

/// As the Functions host reads them: it takes stderr for errors and stdout for information, and
/// adds the time itself (read in its source). `filter` is `HADR_LOG`. A second call changes nothing.
pub fn log_to_the_host(filter: &str) {
    let writer = WithoutKeys(io::stderr.with_max_level(Level::ERROR).or_else(io::stdout));
    let lines = tracing_subscriber::fmt().with_ansi(false).without_time();
    let lines = lines.with_env_filter(EnvFilter::new(filter)).with_writer(writer);
    let set = lines.finish().with(filter_fn(may_be_shown)).try_init();
    if set.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// For a command by hand: warnings to stderr, because stdout is the command's own.
pub fn log_to_the_operator() {
    let lines = tracing_subscriber::fmt().with_ansi(false).without_time();
    let _ = lines.with_max_level(Level::WARN).with_writer(WithoutKeys(io::stderr)).try_init();
    std::panic::set_hook(Box::new(log_panic));
}

/// Below a warning, other people's crates show requests and packets, and so what is secret in them.
fn may_be_shown(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(env!("CARGO_CRATE_NAME")) || *metadata.level() <= Level::WARN
}

/// Where, and not what: a panic's message may hold what must not be logged.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a panic");
}
