//! Which hub is active: the routing record, the right to write under it, the answer to devices.
//!
//! In reading order: `record` (pure) is the document, its steps and its witness; `store` keeps both;
//! `lease` is what follows from reading it; `genesis` makes it, `promotion` changes it, `watcher` reads
//! it again and again; `assignment` and `router_view` are the answer to devices. `duty` is what one
//! process at a time does by itself. A person decides to promote; an automatic decision comes from
//! above.

mod assignment;
mod authorship;
mod duty;
mod following;
mod genesis;
mod hubs;
mod lease;
mod marker;
mod progress;
mod promotion;
#[cfg(test)]
mod protocol_tests;
mod record;
mod router_view;
#[cfg(test)]
mod storage_double;
mod store;
#[cfg(test)]
mod store_tests;
mod watcher;

pub use assignment::Assignment;
pub use authorship::authorship;
pub use duty::{Duty, DutyHolder, DutyLease, DutySettings, NotSaved, duties};
pub use following::Routing;
pub use genesis::{Genesis, InitRequest, confirm, first_start, init, remember_probes};
pub use hubs::{Hubs, make_probe, probe_identity, probe_present};
pub use lease::{Knowledge, Lease, LeaseKeeper, NoLease, PromotionWatch, ReadTimes, WriteLease};
pub use marker::{MarkKind, Marker};
pub use progress::{PartitionProgress, ProgressLog, progress};
pub use promotion::{Promoted, PromotionError, PromotionRequest, promote};
pub use record::{
    Authorship, Automation, Diverged, HubNames, HubRole, Phase, Promotion, PromotionKind, RoutingRecord,
    StandbyState, TransitionError, Witness, abort, accept_rejoin, begin_closing, begin_promotion,
    end_comparison, end_rejoining, finish, margin, name_hubs,
};
pub use router_view::RouterView;
pub use store::{RECORD_BLOB, RecordError, RecordStore, Stored, WITNESS_BLOB};
pub use watcher::{RoutingSettings, Watcher};

pub use crate::iothub::BootTime;
