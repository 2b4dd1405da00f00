//! The right to write, as those who write see it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::span::Lease;
use crate::iothub::Deadline;
use crate::routing::record::{Diverged, HubRole, RoutingRecord, StandbyState};

/// The right to write until `ends`, and what the record it was read from says.
#[derive(Debug, Clone)]
pub struct WriteLease {
    /// Fencing token.
    pub epoch: u64,
    /// The hub that says what is true.
    pub active: HubRole,
    /// The other hub's state.
    pub standby_state: StandbyState,
    /// Storage's time of the last promotion; epoch 1 has none.
    pub cut: Option<Timestamp>,
    /// Since when the hubs may differ; none while the standby is in sync.
    pub diverged: Option<Diverged>,
    /// Whether the last promotion was planned.
    pub planned: bool,
    /// Whether an operator has accepted the end of a rejoining after a forced promotion.
    pub rejoin_accepted: bool,
    /// Whether the comparison that ends a rejoining has begun.
    pub closing: bool,
    /// Whether it has ended.
    pub compared: bool,
    /// How long any lease under this record lasts.
    pub length: Duration,
    /// When this one ends, as a deadline for requests (computed on the boot-time clock).
    pub ends: Deadline,
}

impl WriteLease {
    /// What a lease on this record gives; `None` when the lease has ended.
    pub(super) fn under(lease: Lease, record: &RoutingRecord) -> Option<Self> {
        Some(Self {
            epoch: record.epoch,
            active: record.active,
            standby_state: record.standby_state,
            cut: record.cut,
            diverged: record.diverged,
            planned: record.planned,
            rejoin_accepted: record.rejoin_accepted,
            closing: record.closing,
            compared: record.compared,
            length: record.lease(),
            ends: lease.deadline()?,
        })
    }
}

impl WriteLease {
    /// Whether this record says what the lease was taken by.
    pub fn is_under(&self, record: &RoutingRecord) -> bool {
        self.epoch == record.epoch
            && self.standby_state == record.standby_state
            && self.closing == record.closing
            && self.compared == record.compared
    }
}

/// Why there is no write lease: hold the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoLease {
    /// A promotion is under way.
    Promoting,
    /// There is no record.
    NoRecord,
    /// The record shows a lower epoch than one already seen.
    LowerEpoch,
    /// The record is about other hubs than this process is set to; in words.
    OtherHubs(String),
    /// Storage gives no answer and the lease has run out.
    Unavailable(String),
}

impl fmt::Display for NoLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promoting => write!(f, "a promotion is under way"),
            Self::NoRecord => write!(f, "there is no routing record; `iot-hadr init` makes one"),
            Self::LowerEpoch => write!(f, "the routing record shows a lower epoch than one already seen"),
            Self::OtherHubs(why) => write!(f, "{why}"),
            Self::Unavailable(why) => write!(f, "the routing record cannot be read: {why}"),
        }
    }
}

impl std::error::Error for NoLease {}
