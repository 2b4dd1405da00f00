//! The right to write: what follows from reading the record.
//!
//! In reading order: `span` is the clock and the lease, `knowledge` (pure) what one process knows,
//! `promotion_watch` (pure) when it may finish a promotion, `write_lease` what those who write see,
//! `keeper` reads and renews.

mod keeper;
mod knowledge;
mod promotion_watch;
mod span;
mod write_lease;

pub(super) use keeper::Desk;
pub use keeper::LeaseKeeper;
pub use knowledge::{Knowledge, ReadTimes};
pub use promotion_watch::PromotionWatch;
pub use span::Lease;
pub use write_lease::{NoLease, WriteLease};
