//! What both hubs say about one identity now.

mod entries;
mod look;
pub(crate) mod scope;

pub(crate) use entries::Entries;
pub(crate) use look::{Health, Look};
