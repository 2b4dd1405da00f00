//! A hub, as it is named on the command line.

use clap::ValueEnum;

use crate::routing::HubRole;

/// A hub by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hub {
    /// `iothub1`
    Primary,
    /// `iothub2`
    Secondary,
}

impl From<Hub> for HubRole {
    fn from(hub: Hub) -> Self {
        match hub {
            Hub::Primary => Self::Primary,
            Hub::Secondary => Self::Secondary,
        }
    }
}
