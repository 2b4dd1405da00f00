//! Which hub is active: the routing record, the right to write under it, the answer to devices.
//!
//! In reading order: `record` (pure) is the document and its transitions; `lease` and `knowledge`
//! (pure) say what follows from reading it; `store` and `witness` keep it; `authority` and `watcher`
//! read it; `promotion` changes it. A person decides to promote; an automatic decision has its place
//! here, as a pure function next to `record`.

mod assignment;
mod authority;
mod comparison;
mod genesis;
mod hubs;
mod knowledge;
mod lease;
mod promotion;
#[cfg(test)]
mod protocol_tests;
mod record;
mod router_view;
mod store;
#[cfg(test)]
mod store_tests;
mod watcher;
mod witness;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use assignment::Assignment;
pub use authority::AuthorityKeeper;
pub use comparison::CannotCompare;
pub use genesis::{Genesis, confirm, first_start, init, remember_probes};
pub use hubs::{Hubs, probe_identity, probe_present};
pub use knowledge::{Knowledge, ReadTimes};
pub use lease::{Lease, PromotionWatch, margin};
pub use promotion::{Promoted, PromotionError, PromotionRequest, promote};
pub use record::{
    Authorship, Automation, Phase, Promotion, PromotionKind, RoutingRecord, TransitionError, abort,
    begin_promotion, finish,
};
pub use router_view::RouterView;
pub use store::{RECORD_BLOB, RecordError, RecordStore, Stored, WITNESS_BLOB};
pub use watcher::Watcher;
pub use witness::Witness;

pub use crate::iothub::BootTime;
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

impl Authority {
    /// The right that a lease on this record gives; `None` when the lease has ended.
    fn under(lease: Lease, record: &RoutingRecord) -> Option<Self> {
        Some(Self {
            epoch: record.epoch,
            active: record.active,
            standby_state: record.standby_state,
            cut: record.cut,
            ends: lease.deadline()?,
        })
    }
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

impl fmt::Display for NoAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promoting => write!(f, "a promotion is under way"),
            Self::NoRecord => write!(f, "there is no routing record; `iot-hadr init` makes one"),
            Self::LowerEpoch => write!(f, "the routing record shows a lower epoch than one already seen"),
            Self::Unavailable(why) => write!(f, "the routing record cannot be read: {why}"),
        }
    }
}

impl std::error::Error for NoAuthority {}

/// How a process follows the record.
#[derive(Debug, Clone)]
pub struct RoutingSettings {
    /// How long authority lasts after a read, for a record that is made here.
    pub lease: Duration,
    /// How often the record is read in the background.
    pub refresh: Duration,
    /// What this process calls itself in what it writes.
    pub process: String,
}

/// Everything that follows the record in one process.
#[derive(Debug)]
pub struct Routing {
    /// For those who write to the standby.
    pub authority: AuthorityKeeper,
    /// For those who answer devices.
    pub router: RouterView,
    /// To be run in the background for as long as the process lives.
    pub watcher: Watcher,
}

impl Routing {
    /// Reads nothing yet. With `hubs`, the watcher makes the probe identities on them, once.
    pub fn new(store: RecordStore, settings: RoutingSettings, hubs: Option<Hubs>) -> Self {
        let desk = Arc::new(authority::Desk::new(store));
        Self {
            router: RouterView(desk.view()),
            authority: AuthorityKeeper(desk.clone()),
            watcher: Watcher::new(desk, settings, hubs),
        }
    }
}

/// A signature for the next write, with a number of its own.
pub fn authorship(by: &str, reason: &str) -> Authorship {
    Authorship {
        by: by.to_owned(),
        reason: reason.to_owned(),
        at: Timestamp::now(),
        nonce: uuid::Uuid::new_v4().simple().to_string(),
    }
}
