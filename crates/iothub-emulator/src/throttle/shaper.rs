//! Traffic shaping as a pure function of time.
//!
//! A burst of one window's worth passes at once; what comes after it waits in line and leaves at the rate of the limit; what
//! would wait longer than the backlog is refused. Documented: bursts are accepted for a while, then requests queue, then
//! 429. Inferred: how large a burst, and how long a queue.

use std::time::Duration;

use super::class::Limit;

/// The line of one class.
#[derive(Debug, Clone)]
pub(super) struct Shaper {
    /// Nanoseconds that one operation uses up; rounded up, so that rounding never lets more through.
    interval: u64,
    /// Nanoseconds' worth of a burst.
    burst: u64,
    /// When all that was taken so far will be used up, in nanoseconds.
    taken_until: u64,
}

impl Shaper {
    pub(super) fn new(limit: Limit) -> Self {
        let window = nanoseconds(limit.window);
        Self { interval: window.div_ceil(limit.items.max(1)), burst: window, taken_until: 0 }
    }

    /// How long `items` that come at `now` would wait. A request larger than a burst counts as if it were one burst:
    /// otherwise it could never be admitted.
    pub(super) fn wait(&self, now: Duration, items: u64) -> Duration {
        let now = nanoseconds(now);
        let start = self.after(now, items).saturating_sub(self.burst);
        Duration::from_nanos(start.saturating_sub(now))
    }

    /// Takes `items` that come at `now`.
    pub(super) fn take(&mut self, now: Duration, items: u64) {
        self.taken_until = self.after(nanoseconds(now), items);
    }

    fn after(&self, now: u64, items: u64) -> u64 {
        let used = self.interval.saturating_mul(items).min(self.burst);
        self.taken_until.max(now).saturating_add(used)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S1: Limit = Limit { items: 100, window: Duration::from_secs(60) };

    fn turn(shaper: &mut Shaper, at_ms: u64, items: u64) -> u128 {
        let now = Duration::from_millis(at_ms);
        let wait = shaper.wait(now, items);
        shaper.take(now, items);
        wait.as_millis()
    }

    #[test]
    fn a_burst_passes_then_requests_queue_at_the_rate_of_the_limit() {
        let mut shaper = Shaper::new(S1);
        assert_eq!(turn(&mut shaper, 0, 100), 0);
        assert_eq!([1, 1, 2, 1].map(|items| turn(&mut shaper, 0, items)), [600, 1200, 2400, 3000]);
    }

    #[test]
    fn what_was_not_used_comes_back_up_to_one_burst() {
        let mut shaper = Shaper::new(S1);
        assert_eq!(turn(&mut shaper, 0, 100), 0);
        assert_eq!(turn(&mut shaper, 6_000, 11), 600);
        assert_eq!(turn(&mut shaper, 3_600_000, 100), 0);
        assert_eq!(turn(&mut shaper, 3_600_000, 1), 600);
    }

    #[test]
    fn a_request_that_only_asked_uses_nothing() {
        let shaper = Shaper::new(S1);
        for _ in 0..200 {
            assert_eq!(shaper.wait(Duration::ZERO, 100), Duration::ZERO);
        }
    }
}
