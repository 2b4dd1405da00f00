//! What clients wrote to an identity that ends, and goes with it, is named first; so is what they wrote to its modules, of
//! whose end no event says anything.

use jiff::Timestamp;

use super::super::note::PendingNote;
use super::lifecycle::made_after;
use super::settling::Settling;
use crate::model::{IdentityDocument, IdentityId, TwinDocument};
use crate::reconcile::{Look, Loss, Stop};

/// A module of the identity, on the active hub.
struct Module {
    id: IdentityId,
    entry: IdentityDocument,
    twin: TwinDocument,
    note: PendingNote,
}

impl Settling<'_, '_> {
    /// It was deleted on the former hub, then: what clients of the active one wrote since.
    pub(super) async fn name_what_ends(
        &mut self,
        deleted: Timestamp,
        active: &TwinDocument,
    ) -> Result<(), Stop> {
        let dies = self.terms.written_after(&self.note, deleted, active);
        self.losses.add(self.id, self.terms.epoch, &dies).await?;
        for Module { id: module, entry, twin, note } in self.modules_here().await? {
            let mut dies = self.terms.written_after(&note, deleted, &twin);
            dies.extend(self.made_here(&note, &entry, deleted));
            self.losses.add(&module, self.terms.epoch, &dies).await?;
        }
        Ok(())
    }

    /// It was deleted here, then, and made again from the former hub before that was heard: what clients wrote to it since.
    pub(super) async fn name_what_a_copy_took(
        &mut self,
        deleted: Timestamp,
        former: &TwinDocument,
        active: &TwinDocument,
    ) -> Result<(), Stop> {
        let dies = self.terms.written_to_a_copy(&self.note, former, active);
        self.losses.add(self.id, self.terms.epoch, &dies).await?;
        for Module { id: module, entry, twin, note } in self.modules_here().await? {
            let dies = match self.work.pass.source_twin(&module).await {
                Look::Present(former) => self.terms.written_to_a_copy(&note, &former, &twin),
                Look::Absent => self.made_here(&note, &entry, deleted).into_iter().collect(),
                Look::Unreachable(_) => self.terms.written_after(&note, deleted, &twin),
            };
            self.losses.add(&module, self.terms.epoch, &dies).await?;
        }
        Ok(())
    }

    async fn modules_here(&mut self) -> Result<Vec<Module>, Stop> {
        if self.id.module.is_some() {
            return Ok(Vec::new());
        }
        let mut modules = Vec::new();
        for (id, entry) in self.work.modules_there(self.id).await?.unwrap_or_default() {
            let Some(twin) = self.work.target_or_stop(&id).await? else { continue };
            let note = self.store.of(&id).await?.map(|(note, _)| note);
            let note = note.filter(|note| note.is_of(self.terms.diverged.epoch));
            let note = note.unwrap_or_else(|| PendingNote::blank(&id, self.terms.at()));
            modules.push(Module { id, entry, twin, note });
        }
        Ok(modules)
    }

    fn made_here(&self, note: &PendingNote, entry: &IdentityDocument, deleted: Timestamp) -> Option<Loss> {
        let since = self.terms.since(self.terms.active).unwrap_or(Timestamp::MIN).max(deleted);
        made_after(entry, &note.slot(self.terms.active).own, since).then(|| Loss {
            kept: "former-active".to_owned(),
            former_active: serde_json::Value::Null,
            active: "made since".into(),
            ..Loss::of_lifecycle("")
        })
    }
}
