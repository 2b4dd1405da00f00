//! What a hub counts and limits: every request waits here for its turn before it is sent.
//!
//! In reading order: [`OperationClass`] (what is counted), [`Tier`] (what a hub allows), `bucket` (a pure
//! function of time: how long until so many may go), `line` (who goes next: also pure), `gate` (waiting for
//! real). A hub without a tier has no limit of ours; but a 429 makes everybody wait there as well.

mod bucket;
mod class;
mod gate;
mod line;
#[cfg(test)]
mod properties;
mod tier;

pub use class::{CallCounts, OperationClass};
pub(crate) use gate::Throttle;
pub use line::Lane;
pub use tier::{BadTier, Family, Tier};
