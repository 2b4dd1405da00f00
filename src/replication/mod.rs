//! Replication: observe, want, plan, execute; and what is owed when that cannot be done yet.
//!
//! In reading order: [`engine`](Engine) takes a batch, `intake` finds hints in it, `batch` groups
//! them, `worked` works each identity off, `reconcile` observes, `want` and `plan` (pure) say what
//! must be written, `execute` writes it under the batch's `warrant`.

mod backlog;
mod backlog_flow;
mod batch;
mod bounded;
mod budget;
mod bulk;
mod carried;
mod comparison;
mod dead_letter;
mod debt;
mod delete;
mod echo;
mod engine;
mod entries;
mod execute;
mod followed;
mod intake;
mod known_pairs;
mod locks;
mod modules;
mod observe;
mod origin;
mod owed;
mod owed_store;
mod pass;
mod plan;
mod probe;
mod progress;
mod reconcile;
mod scope;
mod snapshot;
mod standby;
mod sweep;
mod tally;
mod want;
mod warrant;
mod worked;

pub use backlog::Loss;
pub use dead_letter::{DeadLetter, DeadLetterStore};
pub use debt::Reason;
pub use engine::{Engine, Parts};
pub use owed::OwedNote;
pub use owed_store::OwedStore;
pub use progress::{PartitionProgress, progress};
pub use sweep::Retried;
