//! What a hub counts and limits: every request waits here for its turn before it is sent.
//!
//! In reading order: [`OperationClass`] (what is counted), [`Tier`] (what a hub allows), `bucket` (a pure
//! function of time: how long until so many may go), `line` (who goes next: also pure), `gate` (waiting for
//! real). The limits of a hub without a tier are looked for (`search`, also a pure function of time, fed with how quickly
//! the hub answers: `answers`); `pace` is one or the other.

mod answers;
mod bucket;
mod class;
mod gate;
mod line;
mod pace;
#[cfg(test)]
mod properties;
mod search;
#[cfg(test)]
mod search_tests;
mod tier;

pub use class::{CallCounts, OperationClass};
pub(crate) use gate::Throttle;
pub use line::Lane;
pub use tier::{BadTier, Family, Tier};
