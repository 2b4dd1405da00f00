//! How long to wait before a failed invocation is repeated, and when to give up.

use std::time::Duration;

use crate::app::RetryPolicy;

/// The delays of one batch: begins anew with every batch and every process.
#[derive(Debug)]
pub(super) struct Backoff<'a> {
    policy: Option<&'a RetryPolicy>,
    retries: i64,
    /// Grows until the maximum interval is reached.
    exponent: u32,
}

impl<'a> Backoff<'a> {
    pub(super) fn new(policy: Option<&'a RetryPolicy>) -> Self {
        Self { policy, retries: 0, exponent: 0 }
    }

    /// The wait before the next attempt; `None`: give up. `jitter` is in 0.0..1.0.
    ///
    /// Exponential: minimum, then minimum + 2^n × minimum × (0.8 to 1.2), at most maximum. Inferred from the
    /// randomised strategy of the host's SDK.
    pub(super) fn next_delay(&mut self, jitter: f64) -> Option<Duration> {
        let policy = self.policy?;
        let max = policy.max_retry_count();
        if max >= 0 && self.retries >= max {
            return None;
        }
        self.retries += 1;
        match policy {
            RetryPolicy::FixedDelay { interval, .. } => Some(*interval),
            RetryPolicy::ExponentialBackoff { minimum, maximum, .. } => {
                Some(self.exponential(*minimum, *maximum, jitter))
            }
        }
    }

    fn exponential(&mut self, minimum: Duration, maximum: Duration, jitter: f64) -> Duration {
        let mut delay = minimum;
        if self.exponent > 0 {
            let factor =
                2f64.powi(i32::try_from(self.exponent - 1).unwrap_or(i32::MAX)) * (0.8 + 0.4 * jitter);
            let added = Duration::try_from_secs_f64(minimum.as_secs_f64() * factor).unwrap_or(maximum);
            delay = delay.saturating_add(added);
        }
        if delay >= maximum {
            return maximum;
        }
        self.exponent += 1;
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn without_a_policy_nothing_is_repeated() {
        assert_eq!(Backoff::new(None).next_delay(0.5), None);
    }

    #[test]
    fn a_fixed_delay_gives_up_after_its_count() {
        let policy = RetryPolicy::FixedDelay { max: 2, interval: SECOND };
        let mut backoff = Backoff::new(Some(&policy));
        assert_eq!([(); 3].map(|()| backoff.next_delay(0.0)), [Some(SECOND), Some(SECOND), None]);
    }

    #[test]
    fn a_count_of_zero_is_no_retry_at_all() {
        let policy = RetryPolicy::FixedDelay { max: 0, interval: SECOND };
        assert_eq!(Backoff::new(Some(&policy)).next_delay(0.0), None);
    }

    #[test]
    fn minus_one_never_gives_up_and_never_waits_longer_than_the_maximum() {
        let policy = RetryPolicy::ExponentialBackoff { max: -1, minimum: SECOND, maximum: 10 * SECOND };
        let mut backoff = Backoff::new(Some(&policy));
        let delays: Vec<_> = (0..1_000).map(|_| backoff.next_delay(0.5)).collect();
        let seconds: Vec<_> = delays.iter().flatten().map(Duration::as_secs).collect();
        assert_eq!(seconds.len(), 1_000);
        assert_eq!(seconds.get(..6), Some(&[1, 2, 3, 5, 9, 10][..]));
        assert!(seconds.iter().skip(5).all(|seconds| *seconds == 10));
    }
}
