//! How long until so many may go under a limit that is known: a pure function of time.
//!
//! Time is that of the hub's clock, since the client was made.

use std::time::Duration;

use super::tier::Limit;

/// How much of a limit may go at once after a rest. The rest of it flows evenly: the service queues bursts
/// before it refuses them (documented), and a queue there is latency for the hub's owner too.
pub(super) const BURST: f64 = 0.1;

/// After a refusal the rate is halved, but not below this part of what is allowed.
pub(super) const SLOWEST: f64 = 1.0 / 16.0;

/// How long it takes to come back to the whole rate, if it was halved once: twice this.
pub(super) const RECOVERY: Duration = Duration::from_secs(240);

/// The limit of one class, and what was taken of it.
///
/// Never lets more than the limit through in any window of its length: a burst of a tenth, and what flows in
/// the window at nine tenths of the rate.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    limit: Limit,
    /// Which part of the limit is ours.
    share: f64,
    /// When all that was taken will have flowed off.
    taken_until: Duration,
    /// Nobody goes before.
    paused_until: Duration,
    /// The part of the rate after the last refusal, and when that was.
    slowed: Option<(f64, Duration)>,
}

impl Bucket {
    pub(super) fn new(limit: Limit) -> Self {
        let zero = Duration::ZERO;
        Self { limit, share: 1.0, taken_until: zero, paused_until: zero, slowed: None }
    }

    /// Which part of the limit is ours from now on.
    pub(super) fn share(&mut self, share: f64) {
        self.share = share;
    }

    /// How many may go at once after a rest.
    fn burst(&self) -> u32 {
        // A limit is at most 12,000.
        ((self.limit.items * self.share * BURST).floor() as u32).max(1)
    }

    /// What flows in the limit's window beside the burst.
    fn flowing(&self) -> f64 {
        (self.limit.items * self.share - f64::from(self.burst())).max(1.0)
    }

    /// How many a minute flow when nothing was refused.
    pub(super) fn per_minute(&self) -> f64 {
        self.flowing() * 60.0 / self.limit.window.as_secs_f64()
    }

    /// How long `items` have to wait at `now`.
    pub(super) fn wait(&self, now: Duration, items: u32) -> Duration {
        let paused = self.paused_until.saturating_sub(now);
        let interval = self.interval(now);
        // More than a burst needs a longer rest before it: what has flowed off is not set to now.
        let starts = (self.taken_until + interval * items).saturating_sub(interval * self.burst());
        starts.saturating_sub(now).max(paused)
    }

    /// Lets `items` go at `now`.
    pub(super) fn take(&mut self, now: Duration, items: u32) {
        self.taken_until = self.taken_until.max(now) + self.interval(now) * items;
    }

    /// The hub has refused one and named a wait: nobody goes before, and then fewer than until now. What was under
    /// way already is refused with it and slows nothing further.
    pub(super) fn refused(&mut self, now: Duration, wait: Duration) {
        let until = now.saturating_add(wait);
        if now >= self.paused_until {
            self.slowed = Some(((self.rate(now) / 2.0).max(SLOWEST), until));
        }
        self.paused_until = self.paused_until.max(until);
    }

    /// The part of the allowed rate that is used at `now`: it comes back evenly after a refusal.
    fn rate(&self, now: Duration) -> f64 {
        let Some((part, since)) = self.slowed else { return 1.0 };
        (part + now.saturating_sub(since).as_secs_f64() / (2.0 * RECOVERY.as_secs_f64())).min(1.0)
    }

    /// The time between two.
    fn interval(&self, now: Duration) -> Duration {
        // Rounded up: a nanosecond too little would be one too many in the end.
        self.limit.window.div_f64(self.flowing() * self.rate(now)) + Duration::from_nanos(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_tenth_goes_at_once_and_the_rest_flows() {
        let mut bucket = Bucket::new(Limit { items: 100.0, window: MINUTE });
        assert_eq!(bucket.wait(at(0), 10), Duration::ZERO);
        bucket.take(at(0), 10);
        assert_eq!(bucket.wait(at(0), 9).as_millis(), 6000);
        assert_eq!(bucket.wait(at(60), 10), Duration::ZERO);
    }

    #[test]
    fn half_a_limit_is_half_as_fast() {
        let mut bucket = Bucket::new(Limit { items: 100.0, window: MINUTE });
        bucket.share(0.5);
        bucket.take(at(0), 5);
        assert_eq!(bucket.wait(at(0), 9).as_millis(), 12_000);
    }

    #[test]
    fn a_refusal_stops_everybody_and_then_slows_them_for_a_while() {
        let mut bucket = Bucket::new(Limit { items: 100.0, window: MINUTE });
        bucket.refused(at(0), at(10));
        bucket.refused(at(1), at(10));
        assert_eq!(bucket.wait(at(1), 1), at(10));
        assert!((bucket.rate(at(11)) - 0.5).abs() < 0.01);
        assert!((bucket.rate(at(131)) - 0.75).abs() < 0.01);
        assert!((bucket.rate(at(500)) - 1.0).abs() < 0.01);
        for n in 0..20 {
            bucket.refused(at(1000 + 20 * n), at(1));
        }
        assert!(bucket.rate(at(1390)) >= SLOWEST);
    }
}
