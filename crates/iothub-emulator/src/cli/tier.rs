//! Throttles, for every hub or for one.

use std::str::FromStr;

use crate::throttle::Throttling;

/// Throttles, and the one hub they are for.
#[derive(Debug, Clone, PartialEq)]
pub struct TierOption {
    /// The hub's name; every hub that has none of its own when absent.
    pub hub: Option<String>,
    /// What it may.
    pub throttling: Throttling,
}

impl FromStr for TierOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (hub, tier) = match text.split_once('=') {
            Some((hub, tier)) => (Some(hub.to_owned()), tier),
            None => (None, text),
        };
        Ok(Self { hub, throttling: tier.parse()? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::cli::Options;
    use clap::Parser;

    #[test]
    fn a_hubs_own_tier_goes_before_that_of_every_hub() {
        let all = ["iothub-emulator", "--hub", "a", "--hub", "b", "--tier", "S1", "--tier", "B=S3x2@60"];
        let options = Options::try_parse_from(all).unwrap();
        let shown =
            |hub: &str| options.throttling(hub).map(|found| (found.tier.to_string(), found.time_scale));
        assert_eq!(shown("a"), Some(("S1x1".to_owned(), 1.0)));
        assert_eq!(shown("b"), Some(("S3x2".to_owned(), 60.0)));
        assert!(Options::try_parse_from(["iothub-emulator", "--hub", "a", "--tier", "S9"]).is_err());
    }
}
