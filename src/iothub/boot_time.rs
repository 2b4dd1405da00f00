//! A clock that runs on while the machine is suspended.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_time_clock_runs() {
        let before = BootTime::now();
        assert!(before > BootTime::at(Duration::ZERO));
        assert!(BootTime::now() >= before);
    }
}
