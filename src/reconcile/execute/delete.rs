//! Deletes: the most careful write of all.
//!
//! A definite `Absent` from an active hub that has just answered `Present` for the app's own probe
//! identity; a durable budget, charged before; a snapshot to undo from; the ETag it was planned on;
//! and one more look at the source before it is acknowledged.

use std::time::Instant;

use jiff::Timestamp;

use super::super::observe::Look;
use super::super::outcome::{Cause, Outcome, Reason, Stop, in_words};
use super::super::work::Work;
use super::snapshot;
use crate::iothub::{HubErrorKind, OperationClass};
use crate::model::{ETag, IdentityId, TwinDocument};
use crate::storage::StorageError;

impl Work<'_> {
    /// Deletes from the target what the source's twin says is absent.
    pub(crate) async fn delete(
        &mut self,
        id: &IdentityId,
        target: &TwinDocument,
        etag: &ETag,
    ) -> Result<Outcome, Stop> {
        let shared = self.pass.shared;
        shared.pairs.forget(id);
        self.registry_agrees(id).await?;
        let (source, after) = (self.pass.source(), Instant::now());
        if !shared.probe(self.pass.source_role).is_present(source, after, self.pass.work_ends).await {
            let why = "the active hub did not answer for the app's own probe identity";
            return Ok(Outcome::Pending(Cause::new(Reason::ProbeMissing, why)));
        }
        if let Some(cause) = self.remove(id, target, etag).await? {
            return Ok(Outcome::Pending(cause));
        }
        tracing::info!(identity = %id, "deleted: the source says that it is absent");
        self.is_still_absent(id).await
    }

    /// Takes an identity away from the target, within the budget and with a snapshot; gives why it may not go now.
    pub(crate) async fn remove(
        &mut self,
        id: &IdentityId,
        target: &TwinDocument,
        etag: &ETag,
    ) -> Result<Option<Cause>, Stop> {
        let shared = self.pass.shared;
        self.step_aside();
        // Its turn first: what gets none now has cost nothing, neither the budget nor a snapshot's reads.
        let hub = self.pass.turn(self.pass.target(), OperationClass::RegistryDelete).await;
        let hub = hub.map_err(|error| Stop::target(&error))?;
        match shared.budget.charge(id, etag, Timestamp::now()).await {
            Ok(true) => {}
            Ok(false) => return Ok(Some(over_budget("the deletes of this hour are used up"))),
            Err(StorageError::Rejected(why)) => return Ok(Some(over_budget(&why))),
            Err(error) => return Err(error.into()),
        }
        let kept = snapshot::keep(self.pass, id, target).await?;
        // A twin that does not tell its registry entry's ETag: the entry that was kept does.
        let etag = kept.as_ref().filter(|_| etag.is_nothing()).unwrap_or(etag);
        let deadline = self.pass.write_ends().await?;
        let result = hub.delete_identity(id, etag, deadline).await;
        self.pass.target_health.note(&result);
        result.map_err(|error| Stop::target(&error))?;
        self.writes += 1;
        self.has_deleted = true;
        shared.echoes.deleted(self.pass.target_role(), id);
        Ok(None)
    }

    /// A twin may be missing where a registry entry is not: ask the registry too.
    async fn registry_agrees(&mut self, id: &IdentityId) -> Result<(), Stop> {
        self.step_aside();
        match self.pass.source_identity(id).await {
            Look::Absent => Ok(()),
            Look::Present(_) => Err(Stop::Again),
            Look::Unreachable(error) if id.module.is_some() && error.kind == HubErrorKind::Denied => {
                Err(Stop::pending(Cause::new(Reason::DeviceDisabled, in_words(&error))))
            }
            Look::Unreachable(error) => Err(Stop::pending(Cause::of_source(&error))),
        }
    }

    /// It may have been made again meanwhile.
    async fn is_still_absent(&self, id: &IdentityId) -> Result<Outcome, Stop> {
        match self.pass.source_twin(id).await {
            Look::Absent => Ok(self.done()),
            Look::Present(_) => Err(Stop::Again),
            Look::Unreachable(error) => Err(Stop::pending(Cause::of_source(&error))),
        }
    }
}

/// No more is deleted; others go on.
fn over_budget(why: &str) -> Cause {
    Cause::new(Reason::DeleteBudget, why)
}
