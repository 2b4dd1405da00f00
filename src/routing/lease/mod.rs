//! The right to write: what follows from reading the record.
//!
//! In reading order: `boot_time` is the clock and the lease, `knowledge` (pure) what one process knows,
//! `promotion_watch` (pure) when it may finish a promotion, `write_lease` what those who write see,
//! `keeper` reads and renews.

mod boot_time;
mod keeper;
mod knowledge;
mod promotion_watch;
mod write_lease;

pub use boot_time::{BootTime, Lease};
pub(super) use keeper::Desk;
pub use keeper::LeaseKeeper;
pub use knowledge::{Knowledge, ReadTimes};
pub use promotion_watch::PromotionWatch;
pub use write_lease::{NoLease, WriteLease};
