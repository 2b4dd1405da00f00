//! Writing to the active hub what was merged: each part that it takes, noted before and after.

use serde_json::Value;

use super::settling::Settling;
use super::twin_patch;
use crate::model::{Object, TwinDocument, TwinWrites};
use crate::reconcile::{Merge, Outcome, Refused, Scope, Stop, Wrote};

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// What the active hub refuses; all else is there.
    pub(super) refused: Vec<Refused>,
    /// Something was reported.
    pub(super) reported: bool,
}

impl Settling<'_, '_> {
    pub(super) async fn write(&mut self, active: &TwinDocument, merged: &Merge) -> Result<Written, Stop> {
        let mut written = Written::default();
        self.write_twin(active, &twin_patch(merged), &mut written).await?;
        self.write_reported(active, &merged.reported, &mut written).await?;
        Ok(written)
    }

    async fn write_twin(
        &mut self,
        active: &TwinDocument,
        patch: &Object,
        written: &mut Written,
    ) -> Result<(), Stop> {
        let (mut search, known) = self.work.search(self.id, Scope::Twin.parts(patch));
        written.refused.extend(known);
        let mut active = active.clone();
        while let Some(parts) = search.take() {
            let patch = Scope::Twin.patch(&parts);
            let writes = of_twin(&active, &patch);
            self.begin(&active, &writes).await?;
            match self.work.patch_twin(self.id, &patch, &active.etag).await {
                Ok(twin) => {
                    let mut wrote = Wrote::default();
                    wrote.twin(&patch, &twin);
                    self.wrote(&wrote, &writes).await?;
                    self.work.takes(self.id, &parts);
                    active = twin;
                }
                Err(stop) => {
                    let why = self.not_written(stop, &writes).await?;
                    self.refuses(search.refused(parts, &why), written);
                }
            }
        }
        Ok(())
    }

    async fn write_reported(
        &mut self,
        active: &TwinDocument,
        patch: &Object,
        written: &mut Written,
    ) -> Result<(), Stop> {
        let (mut search, known) = self.work.search(self.id, Scope::Reported.parts(patch));
        written.refused.extend(known);
        let mut active = active.clone();
        while let Some(parts) = search.take() {
            let patch = Scope::Reported.patch(&parts);
            let writes = of_reported(&active, &patch);
            self.begin(&active, &writes).await?;
            match self.work.patch_reported(self.id, &patch, active.reported.version).await {
                Ok(version) => {
                    written.reported = true;
                    self.wrote(&Wrote::of_reported(version), &writes).await?;
                    self.work.takes(self.id, &parts);
                    if !search.is_over() {
                        // When it was written is noted with the next part, while the twin shows it.
                        active = self.reported_at(version).await?;
                    }
                }
                Err(stop) => {
                    let why = self.not_written(stop, &writes).await?;
                    self.refuses(search.refused(parts, &why), written);
                }
            }
        }
        Ok(())
    }

    fn refuses(&mut self, found: Vec<Refused>, written: &mut Written) {
        self.work.refuses(self.id, &found);
        written.refused.extend(found);
    }

    async fn begin(&self, active: &TwinDocument, writes: &TwinWrites) -> Result<(), Stop> {
        let role = self.terms.active;
        self.change(|note| note.slot_mut(role).own.begin(active, writes.clone())).await
    }

    async fn wrote(&self, wrote: &Wrote, writes: &TwinWrites) -> Result<(), Stop> {
        let role = self.terms.active;
        self.change(|note| note.slot_mut(role).own.wrote(wrote, writes)).await
    }

    async fn reported_at(&self, version: u64) -> Result<TwinDocument, Stop> {
        let active = self.work.target_or_stop(self.id).await?;
        active.filter(|twin| twin.reported.version == version).ok_or(Stop::Again)
    }

    /// What the hub refused was not written; only without an answer it may have been. Gives why it refuses it.
    async fn not_written(&self, stop: Stop, writes: &TwinWrites) -> Result<String, Stop> {
        if !matches!(stop, Stop::At(Outcome::TargetSilent(_))) {
            let role = self.terms.active;
            self.change(|note| note.slot_mut(role).own.was_refused(writes)).await?;
        }
        stop.refusal()
    }
}

/// What a patch of tags and desired writes.
fn of_twin(active: &TwinDocument, patch: &Object) -> TwinWrites {
    let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let desired = patch.get("properties").and_then(|properties| properties.get("desired"));
    let merged = Merge { tags: object(patch.get("tags")), desired: object(desired), ..Merge::default() };
    merged.writes(active)
}

fn of_reported(active: &TwinDocument, patch: &Object) -> TwinWrites {
    Merge { reported: patch.clone(), ..Merge::default() }.writes(active)
}
