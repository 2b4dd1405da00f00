//! Which hub is active: the routing record, the right to write under it, the answer to devices.
//!
//! In reading order: `record` (pure) is the document and `transition` (pure) its steps; `diverged`
//! says since when the hubs may differ; `lease`, `promotion_watch` and `knowledge` (pure) say what
//! follows from reading it; `store` and `witness` keep it; `lease_keeper` and `watcher` read it;
//! `genesis` makes it and `promotion` changes it. `duty` is what one process at a time does by itself. A person decides to promote; an automatic decision
//! has its place here, as a pure function next to `transition`.

mod assignment;
mod diverged;
mod duty;
mod genesis;
mod hub_names;
mod hubs;
mod knowledge;
mod lease;
mod lease_keeper;
mod promotion;
mod promotion_watch;
#[cfg(test)]
mod protocol_tests;
mod record;
mod role;
mod router_view;
#[cfg(test)]
mod storage_double;
mod store;
#[cfg(test)]
mod store_tests;
mod transition;
mod watcher;
mod witness;
mod write_lease;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use assignment::Assignment;
pub use diverged::Diverged;
pub use duty::{Duty, DutyHolder, DutyLease, DutySettings, NotSaved, duties};
pub use genesis::{Genesis, InitRequest, confirm, first_start, init, remember_probes};
pub use hub_names::HubNames;
pub use hubs::{Hubs, probe_identity, probe_present};
pub use knowledge::{Knowledge, ReadTimes};
pub use lease::{BootTime, Lease, margin};
pub use lease_keeper::LeaseKeeper;
pub use promotion::{Promoted, PromotionError, PromotionRequest, promote};
pub use promotion_watch::PromotionWatch;
pub use record::{Authorship, Automation, Phase, Promotion, PromotionKind, RoutingRecord};
pub use role::{HubRole, StandbyState};
pub use router_view::RouterView;
pub use store::{RECORD_BLOB, RecordError, RecordStore, Stored, WITNESS_BLOB};
pub use transition::{
    TransitionError, abort, accept_rejoin, begin_promotion, end_rejoining, finish, name_hubs,
};
pub use watcher::Watcher;
pub use witness::Witness;
pub use write_lease::{NoLease, WriteLease};

/// How a process follows the record.
#[derive(Debug, Clone)]
pub struct RoutingSettings {
    /// How long a write lease lasts after a read, for a record that is made here.
    pub lease: Duration,
    /// How often the record is read in the background.
    pub refresh: Duration,
    /// What this process calls itself in what it writes.
    pub process: String,
}

/// Everything that follows the record in one process.
#[derive(Debug)]
pub struct Routing {
    /// For those who write to a hub.
    pub leases: LeaseKeeper,
    /// For those who answer devices.
    pub router: RouterView,
    /// To be run in the background for as long as the process lives.
    pub watcher: Watcher,
}

impl Routing {
    /// Reads nothing yet. With `hubs`, the watcher makes the probe identities on them, once.
    pub fn new(store: RecordStore, settings: RoutingSettings, hubs: Option<Hubs>) -> Self {
        let desk = Arc::new(lease_keeper::Desk::new(store));
        Self {
            router: RouterView(desk.view()),
            leases: LeaseKeeper(desk.clone()),
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
