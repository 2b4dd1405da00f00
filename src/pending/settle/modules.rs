//! Modules end with their device, and no event says so of them.

use super::super::note::PendingNote;
use super::super::slot::Slot;
use super::settling::{Device, Settled, Settling};
use crate::model::IdentityId;
use crate::reconcile::{Look, Stop, in_words};

impl Settling<'_, '_> {
    /// What becomes of a module that only the former hub has, if its device is not on the active one, or is there in a
    /// later life than the one that the module was part of.
    pub(super) async fn ends_with_its_device(&mut self) -> Result<Option<Settled>, Stop> {
        if self.id.module.is_none() || !self.may_create {
            return Ok(None);
        }
        let (device, active) = (self.id.owner(), self.terms.active);
        let note = self.note_of(&device).await?;
        let slot = note.as_ref().map(|note| note.slot(active));
        let is_there = self.work.target_or_stop(&device).await?.is_some();
        match &self.device {
            Device::Unasked if !is_there || slot.is_some_and(is_undecided) => {
                self.device = Device::Asked;
                return Err(Stop::Again);
            }
            Device::Pending(tried) => return Ok(Some(Settled::Pending(tried.clone()))),
            _ if !is_there => return self.without_its_device(&device).await.map(Some),
            _ => {}
        }
        let made = self.note.slot(self.terms.former).created;
        let is_of_a_life_before =
            slot.and_then(|slot| slot.remade).is_some_and(|remade| made.is_none_or(|made| made <= remade));
        Ok(is_of_a_life_before.then_some(Settled::Done))
    }

    /// Its device was deleted here, or is gone there as well.
    async fn without_its_device(&self, device: &IdentityId) -> Result<Settled, Stop> {
        Ok(match self.work.pass.source_twin(device).await {
            Look::Unreachable(error) => self.waits_for_the_former(in_words(&error)),
            _ => Settled::Done,
        })
    }

    async fn note_of(&self, id: &IdentityId) -> Result<Option<PendingNote>, Stop> {
        let note = self.store.of(id).await?.map(|(note, _)| note);
        Ok(note.filter(|note| note.is_of(self.terms.diverged.epoch)))
    }
}

/// Whether something was heard of its end or its beginning since a client's new life of it was known.
fn is_undecided(slot: &Slot) -> bool {
    slot.deleted.max(slot.created) > slot.remade
}
