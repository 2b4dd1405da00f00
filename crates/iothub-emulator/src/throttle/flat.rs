//! So many requests a second and no more, of whatever kind, and never a wait.

use std::time::Instant;

/// A bucket of one second's worth of requests.
#[derive(Debug)]
pub(crate) struct Flat {
    per_second: f64,
    left: f64,
    refilled: Instant,
}

impl Flat {
    pub(crate) fn new(per_second: f64) -> Self {
        Self { per_second, left: per_second, refilled: Instant::now() }
    }

    /// Whether the request that has just come is one too many.
    pub(crate) fn refuses(&mut self) -> bool {
        let now = Instant::now();
        let refill = now.duration_since(self.refilled).as_secs_f64() * self.per_second;
        self.refilled = now;
        self.left = (self.left + refill).min(self.per_second.max(1.0));
        if self.left < 1.0 {
            return true;
        }
        self.left -= 1.0;
        false
    }
}
