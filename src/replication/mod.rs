//! What events mean: hints, whose event it is, the batch and its reply.
//!
//! In reading order: the [`Engine`] takes a batch, `intake` finds hints in it, `batch` groups them by device; `in_sync`
//! and `rejoining` say what an event means while the standby follows and while it does not; `outcome` is the reply.

mod batch;
mod dead_letter;
mod engine;
mod in_sync;
mod intake;
mod origin;
mod outcome;
mod rejoining;

pub use dead_letter::{DeadLetter, DeadLetterStore};
pub use engine::Engine;
