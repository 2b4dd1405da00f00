//! When a call must have ended, and until when it may be sent at all.

use std::time::{Duration, Instant};

use super::boot_time::BootTime;
use super::error::{HubError, HubErrorKind};

/// When a call must have ended; reads and writes are cut there.
///
/// A *fence* is the end of the write lease that the call needs. Nothing is sent after it, also when the process or the
/// machine was frozen meanwhile: the clocks are read again immediately before each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    fence: Option<BootTime>,
}

impl Deadline {
    /// At this instant.
    pub fn at(at: Instant) -> Self {
        Self { at, fence: None }
    }

    /// From now.
    pub fn after(duration: Duration) -> Self {
        Self::at(Instant::now() + duration)
    }

    /// The same, and nothing is sent once the boot-time clock says `fence`.
    #[must_use]
    pub fn fenced(self, fence: BootTime) -> Self {
        Self { fence: earlier(self.fence, Some(fence)), ..self }
    }

    /// The earlier of the two; of two fences, too.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { at: self.at.min(other.at), fence: earlier(self.fence, other.fence) }
    }

    /// What is left by both clocks; zero when it is over.
    pub fn left(self) -> Duration {
        self.left_at(Instant::now(), BootTime::now())
    }

    /// Whether nothing is left.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    fn left_at(self, now: Instant, boot: BootTime) -> Duration {
        let left = self.at.saturating_duration_since(now);
        self.fence.map_or(left, |fence| left.min(fence.since(boot)))
    }

    /// Whether a request may be sent at this moment.
    ///
    /// # Errors
    /// [`HubErrorKind::LeaseOver`] after the fence; [`HubErrorKind::Unavailable`] when only the time is over.
    pub(crate) fn may_send(self) -> Result<(), HubError> {
        match self.is_over() {
            true => Err(self.not_sent()),
            false => Ok(()),
        }
    }

    /// Why nothing is sent any more.
    pub(crate) fn not_sent(self) -> HubError {
        match self.fence.is_some_and(|fence| fence <= BootTime::now()) {
            true => HubError::new(HubErrorKind::LeaseOver, "the lease ended before the request was sent"),
            false => HubError::new(HubErrorKind::Unavailable, "no time was left to send the request"),
        }
    }
}

fn earlier(one: Option<BootTime>, other: Option<BootTime>) -> Option<BootTime> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn boot(seconds: u64) -> BootTime {
        BootTime::at(SECOND * u32::try_from(seconds).unwrap_or_default())
    }

    #[test]
    fn the_clock_that_ran_on_while_the_machine_was_suspended_decides() {
        let now = Instant::now();
        let deadline = Deadline::at(now + SECOND * 15).fenced(boot(115));
        assert_eq!(deadline.left_at(now, boot(100)), SECOND * 15);
        assert_eq!(deadline.left_at(now + SECOND, boot(114)), SECOND);
        assert_eq!(deadline.left_at(now + SECOND, boot(115)), Duration::ZERO);
        assert_eq!(deadline.left_at(now + SECOND * 15, boot(101)), Duration::ZERO);
    }

    #[test]
    fn of_two_the_earlier_time_and_the_earlier_fence_hold() {
        let now = Instant::now();
        let (soon, late) = (Deadline::at(now + SECOND), Deadline::at(now + SECOND * 9));
        assert_eq!(soon.or(late.fenced(boot(7))), soon.fenced(boot(7)));
        assert_eq!(late.fenced(boot(7)).or(soon.fenced(boot(5))), soon.fenced(boot(5)));
        assert_eq!(soon.fenced(boot(5)).fenced(boot(7)), soon.fenced(boot(5)));
    }

    #[test]
    fn who_may_not_send_hears_whether_the_lease_or_only_the_time_is_over() {
        let kind = |deadline: Deadline| deadline.may_send().map_err(|error| error.kind);
        let (over, late) = (Deadline::at(Instant::now()), Deadline::after(SECOND * 60));
        assert_eq!(kind(over), Err(HubErrorKind::Unavailable));
        assert_eq!(kind(late.fenced(boot(0))), Err(HubErrorKind::LeaseOver));
        assert_eq!(kind(over.fenced(boot(0))), Err(HubErrorKind::LeaseOver));
        assert_eq!(kind(late.fenced(BootTime::now().plus(SECOND * 60))), Ok(()));
    }
}
