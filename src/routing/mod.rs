//! Which hub is active: the routing record, the right to write under it, the answer to devices.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::iothub::Deadline;

/// One of the two configured hubs; they never change places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// State of the hub that is not active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandbyState {
    /// Follows the active hub.
    InSync,
    /// A former active after an unplanned promotion: nothing is written to it.
    Rejoining,
}

/// The right to write to the standby until `deadline`, under the record it was read from.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Fencing token.
    pub epoch: u64,
    /// The hub that says what is true.
    pub active: HubRole,
    /// The other hub's state.
    pub standby_state: StandbyState,
    /// Storage's time of the last promotion; epoch 1 has none.
    pub cut: Option<Timestamp>,
    /// When it ends, as a deadline for requests (computed on the boot-time clock).
    pub ends: Deadline,
}

/// Why there is no authority: hold the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAuthority {
    /// A promotion is under way.
    Promoting,
    /// There is no record.
    NoRecord,
    /// The record shows a lower epoch than one already seen.
    LowerEpoch,
    /// Storage gives no answer and the lease has run out.
    Unavailable(String),
}

/// Holds and renews authority for this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuthorityKeeper {}

#[allow(missing_docs, unused_variables)]
impl AuthorityKeeper {
    /// Authority that lasts at least `at_least` more (renewed by a read when needed).
    pub async fn acquire(&self, at_least: Duration) -> Result<Authority, NoAuthority> {
        unreachable!()
    }
}
