//! A patch that the target refuses, brought in the parts that it takes; each as conditional as the whole.

use super::super::outcome::Stop;
use super::super::parts::{Refused, Scope};
use super::super::plan::{Plan, Step};
use super::super::work::Work;
use crate::model::{ETag, IdentityId, Object};

impl Work<'_> {
    /// Changes tags and desired of the target; gives what it refuses.
    pub(super) async fn patch_twin_apart(
        &mut self,
        id: &IdentityId,
        patch: &Object,
        mut etag: ETag,
    ) -> Result<Vec<Refused>, Stop> {
        let (mut search, mut refused) = self.search(id, Scope::Twin.parts(patch));
        while let Some(parts) = search.take() {
            match self.patch_twin(id, &Scope::Twin.patch(&parts), &etag).await {
                Ok(twin) => {
                    etag = twin.etag;
                    self.takes(id, &parts);
                }
                Err(stop) => {
                    let found = search.refused(parts, &stop.refusal()?);
                    self.refuses(id, &found);
                    refused.extend(found);
                }
            }
        }
        Ok(refused)
    }

    /// Changes reported of the target, as the device; gives what it refuses.
    pub(super) async fn patch_reported_apart(
        &mut self,
        id: &IdentityId,
        patch: &Object,
        mut version: u64,
    ) -> Result<Vec<Refused>, Stop> {
        let (mut search, mut refused) = self.search(id, Scope::Reported.parts(patch));
        while let Some(parts) = search.take() {
            match self.patch_reported(id, &Scope::Reported.patch(&parts), version).await {
                Ok(now) => {
                    self.takes(id, &parts);
                    version = if search.is_over() { now } else { self.note_report(id, now).await? };
                }
                Err(stop) => {
                    let found = search.refused(parts, &stop.refusal()?);
                    self.refuses(id, &found);
                    refused.extend(found);
                }
            }
        }
        Ok(refused)
    }

    /// Only while nobody has reported since does the twin show when this program did.
    async fn note_report(&mut self, id: &IdentityId, version: u64) -> Result<u64, Stop> {
        let twin = self.target_or_stop(id).await?.filter(|twin| twin.reported.version == version);
        self.wrote.note_report(&twin.ok_or(Stop::Again)?);
        Ok(version)
    }

    /// The plan without steps of which nothing is worth sending, and what the target is known to refuse of it.
    pub(crate) fn without_refused(&self, id: &IdentityId, mut plan: Plan) -> (Plan, Vec<Refused>) {
        let mut refused = Vec::new();
        plan.steps.retain(|step| {
            let parts = match step {
                Step::PatchTwin { patch, .. } => Scope::Twin.parts(patch),
                Step::PatchReported { patch, .. } => Scope::Reported.parts(patch),
                _ => return true,
            };
            let (worth, known) = self.worth_sending(id, parts);
            refused.extend(known);
            !worth.is_empty()
        });
        (plan, refused)
    }
}
