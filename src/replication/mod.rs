//! What events mean: hints, whose event it is, the batch and its reply.
//!
//! In reading order: the [`Engine`] takes a batch, `intake` finds hints in it, `batch` groups them by device; `in_sync`
//! and `rejoining` say what an event means while the standby follows and while it does not; `outcome` is the reply. What cannot be worked off
//! is kept (`dead_letter`), and hubs that are not known are said once (`unknown_hubs`).

mod batch;
mod dead_letter;
mod engine;
mod in_sync;
mod intake;
mod origin;
mod outcome;
mod rejoining;
mod unknown_hubs;

pub use dead_letter::{DeadLetter, DeadLetterStore};
pub use engine::Engine;
pub use unknown_hubs::{UnknownHub, unknown_hubs};
