//! Carrying out a plan, step by step, each write conditional and under authority.

use super::pass::{Flow, Stop};
use super::plan::Step;
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

impl Flow<'_> {
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
        match step {
            Step::Create { item } => self.create_device(id, item, basis).await,
            Step::CreateAlone { body } => self.create_alone(id, &body, basis).await,
            Step::UpdateIdentity { body, etag } => self.update_identity(id, &body, &etag, basis).await,
            Step::PatchTwin { patch, etag } => self.patch_twin(id, &patch, &etag).await,
            Step::PatchReported { patch, version } => self.patch_reported(id, &patch, version).await,
            // A delete needs more than a plan: it is carried out where its conditions are checked.
            Step::Delete { .. } => Err(Stop::Again),
        }
    }

    async fn create_device(&mut self, id: &IdentityId, item: Object, basis: Basis<'_>) -> Result<bool, Stop> {
        // Whether a bulk create honours reported properties is unproven: look.
        let has_reported = basis.source.is_some_and(|twin| !twin.reported.values.is_empty());
        self.create(item).await?;
        let (engine, target) = (self.pass.engine, self.pass.target_role());
        engine.echoes.created(target, id);
        if let Some(source) = basis.source {
            engine.pairs.made(id, self.pass.source_role, source.version, basis.source_entry);
        }
        self.writes += 1;
        Ok(has_reported)
    }

    async fn create_alone(&mut self, id: &IdentityId, body: &Object, basis: Basis<'_>) -> Result<bool, Stop> {
        self.step_aside();
        let (target, deadline) =
            self.pass.for_write(self.pass.target(), OperationClass::RegistryCreate).await?;
        let created = self.answered(target.create_identity(id, body, deadline).await)?;
        self.pass.engine.echoes.created(self.pass.target_role(), id);
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
        self.remember(id, basis, updated.etag());
        Ok(false)
    }

    async fn patch_twin(&mut self, id: &IdentityId, patch: &Object, etag: &ETag) -> Result<bool, Stop> {
        let (target, deadline) = self.pass.for_write(self.pass.target(), OperationClass::TwinWrite).await?;
        let twin = self.answered(target.patch_twin(id, patch, etag, deadline).await)?;
        self.pass.engine.echoes.twin(self.pass.target_role(), id, twin.version);
        Ok(false)
    }

    async fn patch_reported(&mut self, id: &IdentityId, patch: &Object, version: u64) -> Result<bool, Stop> {
        let (target, deadline) =
            self.pass.for_write(self.pass.target(), OperationClass::ReportedWrite).await?;
        let result = target.patch_reported(id, patch, version, deadline).await;
        let version = self.answered(result)?;
        self.pass.engine.echoes.reported(self.pass.target_role(), id, version);
        Ok(false)
    }

    fn answered<T>(&mut self, result: Result<T, HubError>) -> Result<T, Stop> {
        self.pass.target_health.note(&result);
        let value = result.map_err(|error| Stop::target(&error))?;
        self.writes += 1;
        Ok(value)
    }

    fn remember(&self, id: &IdentityId, basis: Basis<'_>, target: Option<ETag>) {
        if let (Some(source), Some(target)) = (basis.source_entry, target) {
            self.pass.engine.pairs.remember(id, (self.pass.source_role, source), &target);
        }
    }
}
