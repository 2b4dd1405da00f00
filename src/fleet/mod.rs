//! Whole hubs: what ends a rejoining.
//!
//! In reading order: `markers` prove that every partition has passed a moment; [`Rejoin`] is the duty that ends a rejoining
//! when all that the former active hub said is on the active one; `compare` says which identities seem to differ at all.
//! Beside them, `path` proves that what a hub says comes to the handler at all.

mod compare;
mod drain;
mod markers;
mod path;
mod rejoin;

pub use compare::{CannotCompare, apparent_differences};
pub use drain::{CannotDrain, Lag, drain};
pub use markers::{Behind, Markers, REGISTRY as REGISTRY_EVENTS};
pub use path::{CannotTry, PathTrial, Pipe, Seen, TWIN_EVENTS, remove_left_behind};
pub use rejoin::{Rejoin, Stage};
