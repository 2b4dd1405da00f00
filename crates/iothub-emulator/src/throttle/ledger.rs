//! What became of the requests of one class.

use serde_json::{Value, json};
use std::time::Duration;

use super::class::Limit;

const SECONDS: usize = 60;

/// Counts since the tier was set or the counts were forgotten; times are those of the hub's clock.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    admitted: u64,
    delayed: u64,
    refused: u64,
    longest_wait: Duration,
    /// Operations by the second they began in, for the last minute; `newest` is the second of the last one.
    seconds: [u64; SECONDS],
    newest: u64,
    in_a_minute: u64,
    busiest_minute: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            admitted: 0,
            delayed: 0,
            refused: 0,
            longest_wait: Duration::ZERO,
            seconds: [0; SECONDS],
            newest: 0,
            in_a_minute: 0,
            busiest_minute: 0,
        }
    }
}

impl Ledger {
    /// `items` that came at `now` and begin after `wait`.
    pub(super) fn admit(&mut self, now: Duration, wait: Duration, items: u64) {
        self.admitted += items;
        self.delayed += u64::from(!wait.is_zero());
        self.longest_wait = self.longest_wait.max(wait);
        self.turn_to((now + wait).as_secs());
        if let Some(second) = self.seconds.get_mut(index(self.newest)) {
            *second += items;
        }
        self.in_a_minute += items;
        self.busiest_minute = self.busiest_minute.max(self.in_a_minute);
    }

    /// A request of `items` that was refused.
    pub(super) fn refuse(&mut self, items: u64) {
        self.refused += items;
    }

    /// Leaves seconds behind that are more than a minute old.
    fn turn_to(&mut self, second: u64) {
        let passed = second.saturating_sub(self.newest).min(SECONDS as u64);
        for step in 1..=passed {
            // The last `SECONDS` seconds before `second` are the only ones that are still kept.
            let at = index(second - passed + step);
            self.in_a_minute -= self.seconds.get_mut(at).map(std::mem::take).unwrap_or_default();
        }
        self.newest = self.newest.max(second);
    }

    /// As the control port shows it. What waits for a later second counts as begun.
    pub(super) fn shown(&mut self, now: Duration, limit: Limit) -> Value {
        self.turn_to(now.as_secs());
        let share = |items: u64| share(items, limit.in_a_minute());
        json!({"limitPerMinute": limit.in_a_minute(), "admitted": self.admitted, "delayed": self.delayed,
            "refused": self.refused, "longestWaitMs": u64::try_from(self.longest_wait.as_millis()).unwrap_or(u64::MAX),
            "shareOfLastMinute": share(self.in_a_minute), "shareOfBusiestMinute": share(self.busiest_minute)})
    }
}

fn index(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).unwrap_or(0)
}

/// To three digits, as they are read by people.
fn share(items: u64, limit: u64) -> f64 {
    let thousandths = items.saturating_mul(1000) / limit.max(1);
    f64::from(u32::try_from(thousandths).unwrap_or(u32::MAX)) / 1000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    const LIMIT: Limit = Limit { items: 100, window: Duration::from_secs(60) };

    #[test]
    fn a_minute_is_left_behind_and_the_busiest_one_is_remembered() {
        let mut ledger = Ledger::default();
        let at = Duration::from_secs;
        ledger.admit(at(0), Duration::ZERO, 50);
        ledger.admit(at(30), at(2), 25);
        assert_eq!(ledger.shown(at(59), LIMIT)["shareOfLastMinute"], 0.75);
        ledger.admit(at(61), Duration::ZERO, 10);
        let shown = ledger.shown(at(61), LIMIT);
        assert_eq!(
            (&shown["shareOfLastMinute"], &shown["shareOfBusiestMinute"]),
            (&0.35.into(), &0.75.into())
        );
        assert_eq!(
            (&shown["admitted"], &shown["delayed"], &shown["longestWaitMs"]),
            (&85.into(), &1.into(), &2000.into())
        );
        assert_eq!(ledger.shown(at(1000), LIMIT)["shareOfLastMinute"], 0.0);
    }
}
