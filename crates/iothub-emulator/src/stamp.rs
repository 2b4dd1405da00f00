//! Points in time as a hub writes them: UTC with up to seven fractional digits, without zeros at their end.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

/// Difference between the .NET epoch (year 1) and the Unix epoch, in ticks of 100 ns.
const DOTNET_EPOCH_TICKS: i64 = 621_355_968_000_000_000;

/// A point in time in ticks of 100 ns since 1970, or [`Stamp::NEVER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp(i64);

impl Stamp {
    /// What a hub prints as `0001-01-01T00:00:00Z`: it has not happened yet (observed in recorded traffic).
    pub const NEVER: Self = Self(i64::MIN);

    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let ticks = jiff::Timestamp::now().as_nanosecond() / 100;
        Self(i64::try_from(ticks).unwrap_or(i64::MAX))
    }

    /// Now, but later than every stamp this function gave before, so that two generations never look alike.
    #[must_use]
    pub fn unique_now() -> Self {
        static LAST: AtomicI64 = AtomicI64::new(0);
        let now = Self::now().0;
        let later = |last: i64| Some(now.max(last.saturating_add(1)));
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).unwrap_or(now);
        Self(now.max(last.saturating_add(1)))
    }

    /// So many milliseconds after 1970.
    #[must_use]
    pub fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds.saturating_mul(10_000))
    }

    /// Reads what a hub prints.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("0001-01-01T00:00:00") {
            return Some(Self::NEVER);
        }
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        i64::try_from(timestamp.as_nanosecond() / 100).ok().map(Self)
    }

    /// Ticks of 100 ns since the year 1, as in `generationId` and edge scopes.
    #[must_use]
    pub fn dotnet_ticks(self) -> i64 {
        self.0.saturating_add(DOTNET_EPOCH_TICKS)
    }

    /// The same instant for printing in other forms; [`Stamp::NEVER`] gives the Unix epoch.
    #[must_use]
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0) * 100).unwrap_or_default()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("0001-01-01T00:00:00Z");
        }
        let text = format!("{:.7}", self.timestamp());
        let digits = text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
        write!(f, "{digits}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_printed_as_recorded_and_reads_back() {
        for text in ["2020-08-20T22:05:30.4812204Z", "2020-09-01T20:58:38.483815Z", "2020-09-01T20:58:30Z"] {
            assert_eq!(Stamp::parse(text).map(|stamp| stamp.to_string()).as_deref(), Some(text));
        }
    }
}
