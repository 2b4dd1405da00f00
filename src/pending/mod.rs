//! The durable notes: which identities are not right yet, what was said of them meanwhile, and paying that off.
//!
//! In reading order: a [`note`](PendingNote) is one identity's, with a [`slot`](Slot) for each hub; `store` keeps them;
//! `settle` brings what a former active hub said to the active one, `follow` what an active hub said that cannot be read;
//! `retry` tries notes again when they are due; `changed` lists identities that owe a comparison since the roles changed;
//! `losses` keeps what two hubs disagreed on; `strays` are blobs among the notes that are none.

mod changed;
mod follow;
mod losses;
mod note;
mod retry;
mod settle;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::unreachable)]
mod settle_properties;
mod slot;
mod store;
mod strays;
mod terms;

pub use changed::{Changed, ChangedList, Listed};
pub(crate) use follow::follow;
pub use losses::{LossReport, LossStore};
pub use note::PendingNote;
pub(crate) use note::{At, Tried};
pub use retry::{Pending, Retried};
pub(crate) use settle::{Settled, made_after, settle};
pub(crate) use slot::Heard;
pub use slot::{Position, Slot};
pub use store::{Entry, EntryPage, PendingStore};
pub use strays::{is_stray, strays};
pub(crate) use terms::{Said, Terms};
