//! One round of a settlement, and what it writes down.

use super::super::losses::LossStore;
use super::super::note::{PendingNote, Tried};
use super::super::store::PendingStore;
use super::super::terms::Terms;
use crate::model::{IdentityId, TwinDocument};
use crate::reconcile::{Cause, Reason, Stop, Work};

/// How a settlement ended.
#[derive(Debug)]
pub(crate) enum Settled {
    /// The active hub has all that the former one said.
    Done,
    /// Not yet.
    Pending(Tried),
}

impl From<Cause> for Settled {
    fn from(cause: Cause) -> Self {
        Self::Pending(cause.into())
    }
}

pub(super) struct Settling<'w, 'p> {
    pub(super) work: &'w mut Work<'p>,
    pub(super) store: &'w PendingStore,
    pub(super) losses: &'w LossStore,
    pub(super) id: &'w IdentityId,
    pub(super) terms: &'w Terms,
    /// Whether what the active hub does not have may be made there: not where no event asks for it, because the event of
    /// its deletion may be on its way.
    pub(super) may_create: bool,
    /// As it was when this round began.
    pub(super) note: PendingNote,
    /// The twins that were settled, the active hub's and the former one's.
    pub(super) settled: (Option<TwinDocument>, Option<TwinDocument>),
}

impl<'w, 'p> Settling<'w, 'p> {
    pub(super) fn new(
        work: &'w mut Work<'p>,
        store: &'w PendingStore,
        losses: &'w LossStore,
        id: &'w IdentityId,
        terms: &'w Terms,
        may_create: bool,
    ) -> Self {
        let note = PendingNote::blank(id, terms.at());
        Self { work, store, losses, id, terms, may_create, note, settled: (None, None) }
    }

    pub(super) fn waits_for_the_former(&self, why: String) -> Settled {
        let cause = Cause::new(Reason::Backlog, why);
        Settled::Pending(Tried { waits_for: Some(self.terms.former), ..cause.into() })
    }

    pub(super) async fn change(&self, mut change: impl FnMut(&mut PendingNote)) -> Result<(), Stop> {
        // A settlement that outlasts its rejoining says nothing of what comes after it.
        self.work.pass.write_ends().await?;
        let (at, diverged) = (self.terms.at(), self.terms.diverged.epoch);
        let changed = self.store.change(self.id, |before| {
            let mut note = before.filter(|note| note.is_of(diverged)).unwrap_or_else(|| {
                let mut note = PendingNote::blank(self.id, at);
                note.rests(at);
                note
            });
            change(&mut note);
            Some(note)
        });
        changed.await?;
        Ok(())
    }

    /// What was heard is with the active hub. What may still decide between two values is kept.
    pub(super) async fn done(&self) -> Result<Settled, Stop> {
        self.work.pass.write_ends().await?;
        let (at, diverged) = (self.terms.at(), self.terms.diverged.epoch);
        let (active, former) = (self.settled.0.as_ref(), self.settled.1.as_ref());
        let changed = self.store.change(self.id, |before| {
            let note = before.filter(|note| note.is_of(diverged))?;
            self.terms.settled(note, &self.note, active, former, at)
        });
        changed.await?;
        Ok(Settled::Done)
    }

    pub(super) async fn write_down(&mut self, tried: Tried) -> Result<Settled, Stop> {
        self.work.pass.write_ends().await?;
        let (at, diverged) = (self.terms.at(), self.terms.diverged.epoch);
        tracing::debug!(identity = %self.id, reason = %tried.cause.reason, detail = tried.cause.detail, "not settled");
        let changed = self.store.change(self.id, |before| {
            let before = before.filter(|note| note.is_of(diverged));
            let mut note = before.unwrap_or_else(|| PendingNote::blank(self.id, at));
            note.tried(&tried, at);
            Some(note)
        });
        changed.await?;
        Ok(Settled::Pending(tried))
    }
}
