//! The write lease that one piece of work is done under.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::iothub::Deadline;
use crate::routing::{LeaseKeeper, NoLease, WriteLease};

/// WriteLease that ends sooner than this is renewed before a write is sent.
const AT_LEAST: Duration = Duration::from_secs(2);

/// The lease that work began under. It may be renewed, but never replaced: work that began under one
/// epoch writes nothing under another.
#[derive(Debug)]
pub(crate) struct HeldLease {
    keeper: LeaseKeeper,
    began: WriteLease,
    ends: Mutex<Deadline>,
}

impl HeldLease {
    /// Takes a lease.
    pub(crate) async fn take(keeper: &LeaseKeeper) -> Result<Self, String> {
        let began = keeper.acquire(AT_LEAST).await.map_err(in_words)?;
        Ok(Self { keeper: keeper.clone(), ends: Mutex::new(began.ends), began })
    }

    /// The same lease, for work that goes the other way.
    pub(crate) fn again(&self) -> Self {
        let ends = *self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        Self { keeper: self.keeper.clone(), began: self.began.clone(), ends: Mutex::new(ends) }
    }

    /// As it was at the start.
    pub(crate) fn lease(&self) -> &WriteLease {
        &self.began
    }

    /// When a write that is sent now must have ended; renewed first when little time is left.
    pub(crate) async fn for_write(&self, work_ends: Deadline) -> Result<Deadline, String> {
        let ends = *self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.left() >= AT_LEAST {
            return Ok(ends.or(work_ends));
        }
        let now = self.keeper.acquire(AT_LEAST).await.map_err(in_words)?;
        if now.epoch != self.began.epoch
            || now.active != self.began.active
            || now.standby_state != self.began.standby_state
            || now.closing != self.began.closing
            || now.compared != self.began.compared
        {
            return Err(format!("the lease of epoch {} has passed to epoch {}", self.began.epoch, now.epoch));
        }
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = now.ends;
        Ok(now.ends.or(work_ends))
    }
}

fn in_words(why: NoLease) -> String {
    why.to_string()
}
