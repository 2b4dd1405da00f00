//! What is counted apart from each other, and how much of it a tier allows.

use std::time::Duration;

use super::tier::{Family, Tier};

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident = $shown:literal;)+) => {
        /// Operations that share one limit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Class { $($(#[$doc])* $name,)+ }
        impl Class {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// Its name on the control port and, where nothing else is known, in the text of a refusal (inferred).
            #[must_use]
            pub fn name(self) -> &'static str { match self { $(Self::$name => $shown,)+ } }
        }
    };
}

classes! {
    /// Device and module identities made, one at a time or in bulk.
    IdentityCreate = "IdentityCreate";
    /// Identities read.
    IdentityRead = "IdentityRead";
    /// Lists of devices or of a device's modules, and statistics (inferred).
    IdentityList = "IdentityList";
    /// Identities overwritten; in bulk also their twins (inferred).
    IdentityUpdate = "IdentityUpdate";
    /// Identities removed.
    IdentityDelete = "IdentityDelete";
    /// Twins read, by a service or by the device itself.
    TwinRead = "TwinRead";
    /// Twins written, by a service or (inferred: a switch) by the device itself.
    TwinUpdate = "TwinUpdate";
    /// Pages of queries.
    Query = "Query";
    /// Jobs made, read, listed or cancelled.
    JobOperation = "JobOperation";
    /// Configurations read.
    ConfigurationRead = "ConfigurationRead";
    /// Configurations written; the one operation type whose refusal was observed.
    ConfigurationWrite = "ConfigurationWrite";
    /// Devices that connect.
    DeviceConnect = "DeviceConnect";
    /// Messages from devices.
    DeviceSend = "DeviceSend";
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How many.
    pub items: u64,
    /// In how long.
    pub window: Duration,
}

impl Limit {
    const fn per_minute(items: u64) -> Self {
        Self { items, window: Duration::from_secs(60) }
    }

    const fn per_second(items: u64) -> Self {
        Self { items, window: Duration::from_secs(1) }
    }

    /// How many in a minute.
    #[must_use]
    pub fn in_a_minute(self) -> u64 {
        self.items * 60 / self.window.as_secs().max(1)
    }
}

impl Class {
    /// What a tier allows (documented: IoT Hub quotas and throttling). Reading and writing configurations each have the
    /// whole of their limit here, which is documented for both together.
    #[must_use]
    pub fn limit(self, tier: Tier) -> Limit {
        let units = u64::from(tier.units);
        let (small, middle) = (matches!(tier.family, Family::F1 | Family::S1), tier.family == Family::S2);
        let either = |lower: u64, top: u64| units * if small || middle { lower } else { top };
        match self {
            Self::IdentityCreate
            | Self::IdentityRead
            | Self::IdentityList
            | Self::IdentityUpdate
            | Self::IdentityDelete
            | Self::JobOperation => Limit::per_minute(either(100, 5000)),
            Self::Query => Limit::per_minute(either(20, 1000)),
            Self::ConfigurationRead | Self::ConfigurationWrite => Limit::per_minute(20 * units),
            Self::TwinRead => Limit::per_second(per_hub(small, middle, units, (100, 10, 500))),
            Self::TwinUpdate => Limit::per_second(per_hub(small, middle, units, (50, 5, 250))),
            Self::DeviceConnect | Self::DeviceSend if small => Limit::per_second((12 * units).max(100)),
            Self::DeviceConnect | Self::DeviceSend => {
                Limit::per_second(units * if middle { 120 } else { 6000 })
            }
        }
    }
}

/// One number for the whole hub; from the second tier on at least so much a unit; in the third so much a unit.
fn per_hub(small: bool, middle: bool, units: u64, (hub, unit, third): (u64, u64, u64)) -> u64 {
    match (small, middle) {
        (true, _) => hub,
        (_, true) => hub.max(unit * units),
        _ => third * units,
    }
}

/// What one request counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Of which class.
    pub class: Class,
    /// How many operations: of a bulk request, each identity is one (documented).
    pub items: u64,
}

impl Demand {
    /// One operation.
    #[must_use]
    pub fn one(class: Class) -> Self {
        Self { class, items: 1 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_limits_are_those_of_the_documentation() {
        let limit = |class: Class, tier: &str| {
            let limit = class.limit(tier.parse().unwrap());
            (limit.items, limit.window.as_secs())
        };
        for class in [Class::IdentityCreate, Class::IdentityDelete, Class::JobOperation] {
            assert_eq!(
                ["F1", "S1x1", "S2x3", "S3x2"].map(|tier| limit(class, tier)),
                [(100, 60), (100, 60), (300, 60), (10_000, 60)]
            );
        }
        let all = ["S1x1", "S1x20", "S2x3", "S2x20", "S3x2"];
        assert_eq!(all.map(|tier| limit(Class::TwinRead, tier).0), [100, 100, 100, 200, 1000]);
        assert_eq!(all.map(|tier| limit(Class::TwinUpdate, tier).0), [50, 50, 50, 100, 500]);
        assert_eq!(all.map(|tier| limit(Class::Query, tier).0), [20, 400, 60, 400, 2000]);
        assert_eq!(all.map(|tier| limit(Class::DeviceConnect, tier).0), [100, 240, 360, 2400, 12_000]);
        assert_eq!(all.map(|tier| limit(Class::ConfigurationWrite, tier).0), [20, 400, 60, 400, 40]);
    }
}
