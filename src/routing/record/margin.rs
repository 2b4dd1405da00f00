//! How much longer than a lease is waited. Pure.

use std::time::Duration;

/// What a promotion waits beyond the lease: for clocks that do not run at one rate.
pub fn margin(lease: Duration) -> Duration {
    (lease / 10).max(Duration::from_secs(1))
}
