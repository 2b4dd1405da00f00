//! The two hubs by name, and what the one that is not active is. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two configured hubs; they never change places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HubRole {
    /// `iothub1`.
    Primary,
    /// `iothub2`.
    Secondary,
}

impl HubRole {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }
}

impl fmt::Display for HubRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        })
    }
}

/// State of the hub that is not active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandbyState {
    /// Follows the active hub.
    InSync,
    /// A former active from a promotion on: nothing is written to it until all that it said before its
    /// clients had moved is on the active hub.
    Rejoining,
}
