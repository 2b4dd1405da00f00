//! The routing record and what it says. Pure: no I/O, no clock.
//!
//! In reading order: `role` and `hub_names` are its words, `document` is the record itself, `transition`
//! its steps, `diverged` and `margin` their times; `witness` is what is kept of it elsewhere.

mod diverged;
mod document;
mod hub_names;
mod margin;
mod role;
mod transition;
mod witness;

pub use diverged::Diverged;
pub use document::{Authorship, Automation, Phase, Promotion, PromotionKind, RoutingRecord};
pub use hub_names::HubNames;
pub use margin::margin;
pub use role::{HubRole, StandbyState};
pub use transition::{
    TransitionError, abort, accept_rejoin, begin_closing, begin_promotion, end_comparison, end_rejoining,
    finish, name_hubs,
};
pub use witness::Witness;
