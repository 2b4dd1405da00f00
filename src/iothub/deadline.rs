//! When a call must have ended.

use std::time::{Duration, Instant};

/// When a call must have ended; reads and writes are cut there.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// From now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// The earlier of the two.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// What is left at `now`; zero when it has passed.
    pub(crate) fn left(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }
}
