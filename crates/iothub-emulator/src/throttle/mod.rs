//! How much a hub takes, and when: the throttles of a tier, as the service has them.
//!
//! In reading order: [`Tier`] and [`Throttling`] (what was asked for), [`Class`] (what is counted apart, and its limit), `shaper`
//! (a pure function of time: now, later or not at all), `ledger` (what became of it), [`Throttles`] (one hub's, waiting
//! for real). `flat` is the other, cruder way to be refused, for tests that only want some 429s.

mod class;
mod flat;
mod gate;
mod ledger;
#[cfg(test)]
mod properties_of_shaping;
mod shaper;
mod tier;

pub use class::{Class, Demand, Limit};
pub(crate) use flat::Flat;
pub use gate::{Refused, Throttles};
pub use tier::{Family, Throttling, Tier};
