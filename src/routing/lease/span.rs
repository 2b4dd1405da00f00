//! How long the right to write lasts. Pure, except for reading the clock in [`Lease::deadline`].

use std::time::Duration;

use crate::iothub::{BootTime, Deadline};

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

    /// The end as a deadline for requests, with the lease's own end as its fence; `None` when it has ended.
    ///
    /// A request in flight while the machine is suspended is cut late, and its precondition fences it. None is sent
    /// after the end.
    pub fn deadline(self) -> Option<Deadline> {
        let left = self.remaining(BootTime::now())?;
        Some(Deadline::after(left).fenced(self.ends))
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
        let left = lease.deadline().map(Deadline::left);
        assert!(left.is_some_and(|left| left <= Duration::from_secs(15)));
        assert!(Lease::from_read(BootTime::at(Duration::ZERO), Duration::ZERO).deadline().is_none());
    }
}
