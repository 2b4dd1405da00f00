//! Modules end with their device, and no event says so of them.

use jiff::Timestamp;

use super::super::slot::Heard;
use super::super::terms::Said;
use super::settle;
use super::settling::{Settled, Settling};
use crate::model::IdentityId;
use crate::reconcile::{Cause, Look, Reason, Stop, in_words};

impl Settling<'_, '_> {
    /// What becomes of a module that only the former hub has, if its device is not on the active one, or is there in a
    /// later life than the one that the module was part of.
    pub(super) async fn ends_with_its_device(&mut self) -> Result<Option<Settled>, Stop> {
        if self.id.module.is_none() || !self.may_create {
            return Ok(None);
        }
        let device = self.id.owner();
        let mut life = Box::pin(self.life_of(&device)).await?;
        if !life.is_there || life.is_undecided {
            let first = settle(self.work, self.store, self.losses, &device, self.terms, self.may_create);
            if let pending @ Settled::Pending(_) = Box::pin(first).await.map_err(Stop::At)? {
                return Ok(Some(pending));
            }
            life = Box::pin(self.life_of(&device)).await?;
        }
        if !life.is_there {
            return self.without_its_device(&device).await.map(Some);
        }
        let made = self.note.slot(self.terms.former).created;
        let is_of_a_life_before = life.remade.is_some_and(|remade| made.is_none_or(|made| made <= remade));
        Ok(is_of_a_life_before.then_some(Settled::Done))
    }

    /// A device was made again on the former hub, then: its modules here ended before, but for those that a client made
    /// later. They are settled by themselves.
    pub(super) async fn end_modules(&mut self, made: Timestamp) -> Result<(), Stop> {
        if self.id.module.is_some() {
            return Ok(());
        }
        let modules = match self.work.target_modules(self.id).await? {
            Some(modules) => modules,
            None => Box::pin(self.work.found_modules(self.id)).await?,
        };
        for module in modules {
            let ended = Heard { occurred: Some(made), deleted: true, ..Heard::default() };
            let said = Said { former: vec![ended], active: Vec::new() };
            let (at, cause) = (self.terms.at(), Cause::new(Reason::NotReached, "its device was made again"));
            let tried = cause.into();
            let changed = self.store.change(&module, |before| {
                let mut note = self.terms.noted(&module, before, &said, at);
                note.tried(&tried, at);
                note.is_due(at.now);
                Some(note)
            });
            changed.await?;
        }
        Ok(())
    }

    /// Its device was deleted here, or is gone there as well.
    async fn without_its_device(&self, device: &IdentityId) -> Result<Settled, Stop> {
        Ok(match self.work.pass.source_twin(device).await {
            Look::Unreachable(error) => self.waits_for_the_former(in_words(&error)),
            _ => Settled::Done,
        })
    }

    async fn life_of(&self, device: &IdentityId) -> Result<DeviceLife, Stop> {
        let note = self.store.of(device).await?.map(|(note, _)| note);
        let note = note.filter(|note| note.is_of(self.terms.diverged.epoch));
        let slot = note.map(|note| note.slot(self.terms.active).clone()).unwrap_or_default();
        let is_there = self.work.target_or_stop(device).await?.is_some();
        let is_undecided = slot.deleted.max(slot.created).max(slot.lifecycle) > slot.remade;
        Ok(DeviceLife { is_there, is_undecided, remade: slot.remade })
    }
}

/// What is known of a module's device on the active hub.
struct DeviceLife {
    is_there: bool,
    /// Something was heard of its end or its beginning since a client's new life of it was known.
    is_undecided: bool,
    /// Since when a client's new life of it is known.
    remade: Option<Timestamp>,
}
