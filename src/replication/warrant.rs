//! The right to write, held for one batch.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::iothub::Deadline;
use crate::routing::{LeaseKeeper, NoLease, WriteLease};

/// A lease that ends sooner than this is renewed before a write is sent.
const AT_LEAST: Duration = Duration::from_secs(2);

/// The write lease a batch began under. It may be renewed, but never replaced: a batch that began
/// under one epoch writes nothing under another.
#[derive(Debug)]
pub(crate) struct Warrant {
    keeper: LeaseKeeper,
    began: WriteLease,
    ends: Mutex<Deadline>,
}

impl Warrant {
    /// Takes a write lease.
    pub(crate) async fn take(keeper: &LeaseKeeper) -> Result<Self, String> {
        let began = keeper.acquire(AT_LEAST).await.map_err(in_words)?;
        Ok(Self { keeper: keeper.clone(), ends: Mutex::new(began.ends), began })
    }

    /// As it was at the start.
    pub(crate) fn authority(&self) -> &WriteLease {
        &self.began
    }

    /// When a write that is sent now must have ended; renewed first when little time is left.
    pub(crate) async fn for_write(&self, work_ends: Deadline) -> Result<Deadline, String> {
        let ends = *self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.0.saturating_duration_since(Instant::now()) >= AT_LEAST {
            return Ok(ends.or(work_ends));
        }
        let now = self.keeper.acquire(AT_LEAST).await.map_err(in_words)?;
        if now.epoch != self.began.epoch
            || now.active != self.began.active
            || now.standby_state != self.began.standby_state
        {
            return Err(format!("the write lease passed from epoch {} to {}", self.began.epoch, now.epoch));
        }
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = now.ends;
        Ok(now.ends.or(work_ends))
    }
}

fn in_words(why: NoLease) -> String {
    why.to_string()
}
