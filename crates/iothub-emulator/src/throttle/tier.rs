//! What kind of hub this is, how many units it has, and how fast its clock runs.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The tiers that have twins and modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Free.
    F1,
    /// Standard 1.
    S1,
    /// Standard 2.
    S2,
    /// Standard 3.
    S3,
}

impl Family {
    const ALL: [(Self, &'static str); 4] =
        [(Self::F1, "F1"), (Self::S1, "S1"), (Self::S2, "S2"), (Self::S3, "S3")];

    /// Most units of one hub (documented).
    #[must_use]
    pub fn most_units(self) -> u32 {
        match self {
            Self::F1 => 1,
            Self::S1 | Self::S2 => 200,
            Self::S3 => 10,
        }
    }
}

/// A tier with its units, as in `S2x3`; `S1` alone is one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// The tier.
    pub family: Family,
    /// How many units.
    pub units: u32,
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (family, units) = text.split_once(['x', 'X']).unwrap_or((text, "1"));
        let found = Family::ALL.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(family));
        let Some((family, name)) = found else {
            return Err(format!("'{text}' is no tier: F1, S1, S2 or S3 with units, such as S1x1"));
        };
        match units.parse() {
            Ok(units) if (1..=family.most_units()).contains(&units) => Ok(Self { family, units }),
            _ => Err(format!("{name} has 1 to {} units, not '{units}'", family.most_units())),
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Family::ALL.into_iter().find(|(family, _)| *family == self.family).map(|(_, name)| name);
        write!(f, "{}x{}", name.unwrap_or_default(), self.units)
    }
}

impl<'de> Deserialize<'de> for Tier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A tier, and how many seconds of its clock pass in one real second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttling {
    /// The tier.
    pub tier: Tier,
    /// 60 makes 100 a minute 100 a second, and a wait of 10 seconds one of 167 milliseconds; a small fraction nearly
    /// stops the clock, so that what is used up stays used up.
    pub time_scale: f64,
}

impl Throttling {
    /// Slowest and fastest clock.
    pub const SCALES: RangeInclusive<f64> = 0.000_1..=10_000.0;

    /// A tier on a clock that is `time_scale` times as fast as the real one.
    ///
    /// # Errors
    /// When the scale is not one of 0.0001 to 10,000.
    pub fn new(tier: Tier, time_scale: f64) -> Result<Self, String> {
        if !Self::SCALES.contains(&time_scale) {
            let (from, to) = (Self::SCALES.start(), Self::SCALES.end());
            return Err(format!("a time scale is {from} to {to}, not {time_scale}"));
        }
        Ok(Self { tier, time_scale })
    }
}

/// `S1x1`, or `S1x1@60`.
impl FromStr for Throttling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (tier, scale) = text.split_once('@').unwrap_or((text, "1"));
        let scale = scale.parse().map_err(|_| format!("'{scale}' is no time scale"))?;
        Self::new(tier.parse()?, scale)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tier_is_read_with_its_units_and_its_clock() {
        for (text, shown, scale) in [("S1", "S1x1", 1.0), ("s2X3", "S2x3", 1.0), ("S3x10@60", "S3x10", 60.0)]
        {
            let throttling: Throttling = text.parse().unwrap();
            assert_eq!((throttling.tier.to_string().as_str(), throttling.time_scale), (shown, scale));
        }
    }

    #[test]
    fn a_tier_that_cannot_be_had_is_refused() {
        for text in [
            "",
            "B1",
            "S4x1",
            "S1x0",
            "S1x201",
            "S3x11",
            "F1x2",
            "S1x1@0",
            "S1x1@NaN",
            "S1x1@10001",
            "S1x1@",
            "x2",
        ] {
            assert!(text.parse::<Throttling>().is_err(), "{text}");
        }
    }
}
