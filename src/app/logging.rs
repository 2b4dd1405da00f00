//! Log lines as the host reads them: one line each, errors on stderr, everything else on stdout.
//!
//! The host takes stdout for information and stderr for errors, and adds the time itself (read in
//! its source).

use std::io;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt;

/// Sets logging up for the process; a second time changes nothing. `filter` is `HADR_LOG`.
pub fn init(filter: &str) {
    let writer = io::stderr.with_max_level(Level::ERROR).or_else(io::stdout);
    let set = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .without_time()
        .with_writer(writer)
        .try_init();
    if set.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            // Where, and not what: a message may hold what must not be logged.
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "a panic");
        }));
    }
}
