//! What one process remembers. It may save a read, or a write that is refused; no outcome depends on it.

mod bounded;
mod echo;
mod known_pairs;
mod locks;
mod refusals;

pub(crate) use echo::Echoes;
pub(crate) use known_pairs::{Known, KnownPairs};
pub(crate) use locks::Locks;
pub(crate) use refusals::Refusals;
