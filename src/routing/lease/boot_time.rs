//! How long the right to write lasts. Pure, except for reading the clock in [`BootTime::now`].

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::iothub::Deadline;

/// A time on this machine's boot-time clock, which runs on while the machine is suspended. Of one
/// machine and one boot only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// What the clock says.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default()))
    }

    /// So long after boot.
    pub const fn at(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// So much later.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// From `earlier` to this; zero when it is the other way round.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// How long the right to write lasts that was read from a steady record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    ends: BootTime,
}

impl Lease {
    /// The lease that a read gives: it counts from *before* the read was sent, so that it can never
    /// outlast `length` after a write which that read did not see.
    pub fn from_read(read_started: BootTime, length: Duration) -> Self {
        Self { ends: read_started.plus(length) }
    }

    /// When it ends.
    pub fn ends(self) -> BootTime {
        self.ends
    }

    /// How long it still lasts; `None` when it has ended.
    pub fn remaining(self, now: BootTime) -> Option<Duration> {
        Some(self.ends.since(now)).filter(|left| !left.is_zero())
    }

    /// The end as a deadline for requests; `None` when it has ended.
    ///
    /// The instant is taken first, so the deadline errs to the early side. It does not run while the
    /// machine is suspended: a request in flight then is cut late, and its precondition fences it.
    pub fn deadline(self) -> Option<Deadline> {
        let before = Instant::now();
        self.remaining(BootTime::now()).map(|left| Deadline(before + left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_before_the_read() {
        let lease = Lease::from_read(BootTime::at(Duration::from_secs(100)), Duration::from_secs(15));
        assert_eq!(lease.remaining(BootTime::at(Duration::from_secs(114))), Some(Duration::from_secs(1)));
        assert_eq!(lease.remaining(BootTime::at(Duration::from_secs(115))), None);
    }

    #[test]
    fn a_deadline_is_never_later_than_the_lease() {
        let lease = Lease::from_read(BootTime::now(), Duration::from_secs(15));
        let deadline = lease.deadline().map(|deadline| deadline.0.duration_since(Instant::now()));
        assert!(deadline.is_some_and(|left| left <= Duration::from_secs(15)));
        assert!(Lease::from_read(BootTime::at(Duration::ZERO), Duration::ZERO).deadline().is_none());
    }

    #[test]
    fn the_boot_time_clock_runs() {
        let before = BootTime::now();
        assert!(before > BootTime::at(Duration::ZERO));
        assert!(BootTime::now() >= before);
    }
}
