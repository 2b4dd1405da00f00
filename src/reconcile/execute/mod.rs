//! Carrying out a plan, step by step, each write conditional and under a lease.

mod budget;
mod bulk;
mod delete;
mod probe;
mod snapshot;

pub(crate) use budget::Budget;
pub(crate) use bulk::{Bulk, Coming};
pub(crate) use probe::Probe;

use super::outcome::Stop;
use super::plan::Step;
use super::work::Work;
use crate::iothub::{HubError, OperationClass};
use crate::model::{ETag, IdentityId, Object, TwinDocument};

/// What the plan was made from, as far as memory must keep it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basis<'a> {
    /// The source's twin.
    pub(crate) source: Option<&'a TwinDocument>,
    /// The registry ETag of the source's entry that was read.
    pub(crate) source_entry: Option<&'a ETag>,
}

impl Work<'_> {
    /// Carries out the steps in order. `true` when both hubs must be observed again, because a
    /// step's whole effect is not proven.
    pub(crate) async fn execute(
        &mut self,
        id: &IdentityId,
        steps: Vec<Step>,
        basis: Basis<'_>,
    ) -> Result<bool, Stop> {
        let mut look_again = false;
        for step in steps {
            look_again |= self.step(id, step, basis).await?;
        }
        Ok(look_again)
    }

    async fn step(&mut self, id: &IdentityId, step: Step, basis: Basis<'_>) -> Result<bool, Stop> {
        tracing::debug!(identity = %id, to = %self.pass.target_role(), step = step.in_a_word(), "step");
        match step {
            Step::Create { item } => self.create_device(id, item, basis).await,
            Step::CreateAlone { body } => self.create_alone(id, &body, basis).await,
            Step::UpdateIdentity { body, etag } => self.update_identity(id, &body, &etag, basis).await,
            Step::PatchTwin { patch, etag } => self.patch_twin(id, &patch, &etag).await.map(|_| false),
            Step::PatchReported { patch, version } => {
                self.patch_reported(id, &patch, version).await.map(|_| false)
            }
            // A delete needs more than a plan: it is carried out where its conditions are checked.
            Step::Delete { .. } => Err(Stop::Again),
        }
    }

    async fn create_device(&mut self, id: &IdentityId, item: Object, basis: Basis<'_>) -> Result<bool, Stop> {
        // Whether a bulk create honours reported properties is unproven: look.
        let has_reported = basis.source.is_some_and(|twin| !twin.reported.values.is_empty());
        self.create(item).await?;
        self.made();
        let (shared, target) = (self.pass.shared, self.pass.target_role());
        shared.echoes.created(target, id);
        if basis.source.is_some() {
            shared.pairs.made(id, self.pass.source_role, basis.source_entry);
        }
        self.writes += 1;
        Ok(has_reported)
    }

    async fn create_alone(&mut self, id: &IdentityId, body: &Object, basis: Basis<'_>) -> Result<bool, Stop> {
        self.step_aside();
        let (target, deadline) =
            self.pass.for_write(self.pass.target(), OperationClass::RegistryCreate).await?;
        let created = self.answered(target.create_identity(id, body, deadline).await)?;
        self.made();
        self.pass.shared.echoes.created(self.pass.target_role(), id);
        self.remember(id, basis, created.etag());
        Ok(true)
    }

    async fn update_identity(
        &mut self,
        id: &IdentityId,
        body: &Object,
        etag: &ETag,
        basis: Basis<'_>,
    ) -> Result<bool, Stop> {
        self.step_aside();
        let (target, deadline) =
            self.pass.for_write(self.pass.target(), OperationClass::RegistryUpdate).await?;
        let updated = target.update_identity(id, body, etag, deadline).await;
        self.take_place().await;
        let updated = self.answered(updated)?;
        if let Some(etag) = updated.etag() {
            self.moved(id, |target| target.device_etag = etag);
        }
        self.remember(id, basis, updated.etag());
        Ok(false)
    }

    /// Changes tags and desired of the target; its twin as it is then.
    pub(crate) async fn patch_twin(
        &mut self,
        id: &IdentityId,
        patch: &Object,
        etag: &ETag,
    ) -> Result<TwinDocument, Stop> {
        let (target, deadline) = self.pass.for_write(self.pass.target(), OperationClass::TwinWrite).await?;
        let twin = self.answered(target.patch_twin(id, patch, etag, deadline).await)?;
        self.pass.shared.echoes.twin(self.pass.target_role(), id, twin.version);
        self.wrote.twin(patch, &twin);
        self.moved(id, |target| target.etag.clone_from(&twin.etag));
        Ok(twin)
    }

    /// Changes reported of the target, as the device; its reported `$version` then.
    pub(crate) async fn patch_reported(
        &mut self,
        id: &IdentityId,
        patch: &Object,
        version: u64,
    ) -> Result<u64, Stop> {
        let (target, deadline) =
            self.pass.for_write(self.pass.target(), OperationClass::ReportedWrite).await?;
        let result = target.patch_reported(id, patch, version, deadline).await;
        let version = self.answered(result)?;
        self.pass.shared.echoes.reported(self.pass.target_role(), id, version);
        self.wrote.reported = Some(version);
        self.moved(id, |target| target.reported = version);
        Ok(version)
    }

    fn answered<T>(&mut self, result: Result<T, HubError>) -> Result<T, Stop> {
        self.pass.target_health.note(&result);
        let value = result.map_err(|error| Stop::target(&error))?;
        self.writes += 1;
        Ok(value)
    }

    fn remember(&self, id: &IdentityId, basis: Basis<'_>, target: Option<ETag>) {
        if let (Some(source), Some(target)) = (basis.source_entry, target) {
            self.pass.shared.pairs.remember(id, (self.pass.source_role, source), &target);
        }
    }
}
