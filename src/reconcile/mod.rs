//! One identity made right: observe both hubs, want, plan (pure), execute; every write conditional and under a lease.
//!
//! Knows no event, no note and no batch: it returns an `Outcome`, and what of that must be durable is its caller's
//! business. In reading order: a `Reconciler` is what a process has once, a `Pass` is one piece of work under one
//! write lease, a `Work` is one device in it; `device` and `modules` are the rounds, `observe`, `plan` and `execute`
//! their steps; `parts` (pure) finds what a hub refuses of a patch; `merge` (pure) says which of two hubs said last what a member is; `memory` saves reads and nothing else.

mod device;
mod execute;
mod held_lease;
mod memory;
mod merge;
mod modules;
mod observe;
mod outcome;
mod parts;
mod pass;
mod plan;
mod reconciler;
mod work;

pub(crate) use device::Difference;
pub(crate) use held_lease::HeldLease;
pub use merge::{Decided, Loss, OwnWrites};
pub(crate) use merge::{Former, Merge, Side, Wrote, merge};
pub(crate) use observe::Look;
pub use outcome::Reason;
pub(crate) use outcome::{Cause, ONCE_MORE, Outcome, RECENT, Stop, in_words};
pub(crate) use parts::{Refused, Scope, cause, unreadable};
pub(crate) use pass::Pass;
pub(crate) use plan::differing_members;
pub use reconciler::{Parts, Reconciler};
pub(crate) use work::{Ask, Work};
