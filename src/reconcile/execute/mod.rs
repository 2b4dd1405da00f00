//! Carrying out a plan, step by step, each write conditional and under a lease.

mod apart;
mod budget;
mod bulk;
mod delete;
mod identity;
mod probe;
mod snapshot;

pub(crate) use budget::Budget;
pub(crate) use bulk::{Bulk, Coming};
pub(crate) use probe::Probe;

use super::outcome::Stop;
use super::parts::Refused;
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

/// What the steps came to.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    /// Both hubs must be observed again, because a step's whole effect is not proven.
    pub(crate) look_again: bool,
    /// What the target refuses; all else is there.
    pub(crate) refused: Vec<Refused>,
}

impl Work<'_> {
    /// Carries out the steps in order.
    pub(crate) async fn execute(
        &mut self,
        id: &IdentityId,
        steps: Vec<Step>,
        basis: Basis<'_>,
    ) -> Result<Executed, Stop> {
        let mut executed = Executed::default();
        for step in steps {
            let Executed { look_again, refused } = self.step(id, step, basis).await?;
            executed.look_again |= look_again;
            executed.refused.extend(refused);
        }
        Ok(executed)
    }

    async fn step(&mut self, id: &IdentityId, step: Step, basis: Basis<'_>) -> Result<Executed, Stop> {
        tracing::debug!(identity = %id, to = %self.pass.target_role(), step = step.in_a_word(), "step");
        let mut executed = Executed::default();
        match step {
            Step::Create { item } => executed.look_again = self.create_device(id, item, basis).await?,
            Step::CreateAlone { body } => executed.look_again = self.create_alone(id, &body, basis).await?,
            Step::UpdateIdentity { body, etag, is_urgent } => {
                executed.refused = self.update_identity(id, (&body, is_urgent), &etag, basis).await?;
            }
            Step::PatchTwin { patch, etag } => {
                executed.refused = self.patch_twin_apart(id, &patch, etag).await?;
            }
            Step::PatchReported { patch, version } => {
                executed.refused = self.patch_reported_apart(id, &patch, version).await?;
            }
            // A delete needs more than a plan: it is carried out where its conditions are checked.
            Step::Delete { .. } => return Err(Stop::Again),
        }
        Ok(executed)
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
        self.wrote.reported.push(version);
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
