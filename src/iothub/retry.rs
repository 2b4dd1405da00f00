//! When a failed attempt is made again: a pure decision.

use std::time::Duration;

/// First wait after a connection failure or a 5xx.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Attempts after the first one, within the deadline. What still fails then is a hub that is down or
/// too busy, and the caller has better to do than to wait: note it as pending, or hold.
pub(crate) const MOST_RETRIES: u32 = 3;

/// First wait after a 429 that does not say how long: the service queues before it refuses, so a
/// refusal means a backlog (observed: "Wait 10 seconds").
pub(crate) const FIRST_WAIT_THROTTLED: Duration = Duration::from_secs(5);

/// No wait is longer.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why an attempt failed, as far as another one may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// 429; the wait that the service asked for.
    Throttled(Option<Duration>),
    /// No connection, time-out, 5xx.
    Unavailable,
}

/// How long to wait before the attempt after number `attempt` (from 1); `chance` is in 0..1 and
/// spreads the wait over its upper half, or over a quarter more than the service asked for.
pub(crate) fn wait(attempt: u32, why: Passing, chance: f64) -> Duration {
    let first = match why {
        Passing::Throttled(Some(asked)) => return asked.min(LONGEST_WAIT).mul_f64(1.0 + chance / 4.0),
        Passing::Throttled(None) => FIRST_WAIT_THROTTLED,
        Passing::Unavailable => FIRST_WAIT,
    };
    let doubled = first.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    doubled.min(LONGEST_WAIT).mul_f64((1.0 + chance) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let waits = (1..10).map(|n| wait(n, Passing::Unavailable, 1.0).as_millis());
        assert_eq!(waits.collect::<Vec<_>>(), [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
        assert_eq!(wait(u32::MAX, Passing::Throttled(None), 1.0), LONGEST_WAIT);
    }

    #[test]
    fn a_wait_is_never_shorter_than_half() {
        assert_eq!(wait(1, Passing::Throttled(None), 0.0), FIRST_WAIT_THROTTLED / 2);
    }

    #[test]
    fn the_services_own_wait_is_kept_and_never_cut_short() {
        let asked = Passing::Throttled(Some(Duration::from_secs(10)));
        assert_eq!(wait(1, asked, 0.0), Duration::from_secs(10));
        assert!(wait(5, asked, 1.0) <= Duration::from_millis(12_500));
    }
}
