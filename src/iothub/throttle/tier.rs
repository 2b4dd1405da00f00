//! What a hub's tier allows (documented: IoT Hub quotas and throttling).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The tiers that have twins and modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Free; its limits are those of one unit of S1.
    F1,
    /// Standard 1.
    S1,
    /// Standard 2.
    S2,
    /// Standard 3.
    S3,
}

/// A hub's tier and its units, as in `S1x1`.
///
/// `S1x1@60` is for emulators whose minute passes in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tier {
    family: Family,
    units: u32,
    scale: f64,
}

/// Text that is no tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTier;

impl fmt::Display for BadTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no tier: F1, S1x1, S2x3, … with 1 to 200 units, 1 to 10 of S3")
    }
}

impl std::error::Error for BadTier {}

impl FromStr for Tier {
    type Err = BadTier;

    fn from_str(text: &str) -> Result<Self, BadTier> {
        let (tier, scale) = text.split_once('@').unwrap_or((text, "1"));
        let (family, units) = tier.split_once(['x', 'X']).unwrap_or((tier, "1"));
        let (family, most) = match family.to_ascii_uppercase().as_str() {
            "F1" => (Family::F1, 1),
            "S1" => (Family::S1, 200),
            "S2" => (Family::S2, 200),
            "S3" => (Family::S3, 10),
            _ => return Err(BadTier),
        };
        let units = units.parse().map_err(|_| BadTier)?;
        let scale = scale.parse().map_err(|_| BadTier)?;
        if !(1..=most).contains(&units) || !(1.0..=10_000.0).contains(&scale) {
            return Err(BadTier);
        }
        Ok(Self { family, units, scale })
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}x{}", self.family, self.units)?;
        if self.scale > 1.0 { write!(f, "@{}", self.scale) } else { Ok(()) }
    }
}

/// What has one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limited {
    Create,
    Read,
    List,
    Update,
    Delete,
    TwinRead,
    TwinUpdate,
    Query,
    Connect,
}

impl Limited {
    /// All of them, each at its own place.
    pub(super) const ALL: [Self; 9] = [
        Self::Create,
        Self::Read,
        Self::List,
        Self::Update,
        Self::Delete,
        Self::TwinRead,
        Self::TwinUpdate,
        Self::Query,
        Self::Connect,
    ];
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    pub(super) items: f64,
    pub(super) window: Duration,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

impl Tier {
    /// No hub with twins has less.
    pub(super) const SMALLEST: Self = Self { family: Family::S1, units: 1, scale: 1.0 };

    /// How many of its seconds pass in one real second.
    pub(super) fn scale(self) -> f64 {
        self.scale
    }

    /// What all callers together may.
    pub(super) fn limit(self, limited: Limited) -> Limit {
        let units = f64::from(self.units);
        let (items, window) = match limited {
            Limited::Create | Limited::Read | Limited::List | Limited::Update | Limited::Delete => {
                (units * self.of(100.0, 100.0, 5000.0), MINUTE)
            }
            Limited::Query => (units * self.of(20.0, 20.0, 1000.0), MINUTE),
            Limited::TwinRead => (self.of(100.0, (10.0 * units).max(100.0), 500.0 * units), SECOND),
            Limited::TwinUpdate => (self.of(50.0, (5.0 * units).max(50.0), 250.0 * units), SECOND),
            Limited::Connect => (self.of((12.0 * units).max(100.0), 120.0 * units, 6000.0 * units), SECOND),
        };
        Limit { items, window }
    }

    fn of(self, first: f64, second: f64, third: f64) -> f64 {
        match self.family {
            Family::F1 | Family::S1 => first,
            Family::S2 => second,
            Family::S3 => third,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tier_is_read_as_it_is_shown() {
        for (text, shown) in [("S1", "S1x1"), ("s2x3", "S2x3"), ("S3x10@60", "S3x10@60"), ("F1x1", "F1x1")] {
            assert_eq!(text.parse::<Tier>().unwrap().to_string(), shown);
        }
        for text in ["", "S4x1", "B1x1", "S1x0", "S1x201", "S3x11", "F1x2", "S1x1@0", "S1x1@x", "S1x1@NaN"] {
            assert_eq!(text.parse::<Tier>(), Err(BadTier), "{text}");
        }
    }

    #[test]
    fn the_limits_are_those_of_the_documentation() {
        let limit = |text: &str, limited| text.parse::<Tier>().unwrap().limit(limited).items;
        assert_eq!([limit("S1x2", Limited::Create), limit("S3x2", Limited::Create)], [200.0, 10_000.0]);
        let reads = ["S1x20", "S2x3", "S2x20", "S3x2"].map(|tier| limit(tier, Limited::TwinRead));
        assert_eq!(reads, [100.0, 100.0, 200.0, 1000.0]);
        assert_eq!([limit("S1", Limited::Query), limit("S3", Limited::Query)], [20.0, 1000.0]);
        assert_eq!([limit("S1x9", Limited::Connect), limit("S2x2", Limited::Connect)], [108.0, 240.0]);
    }
}
