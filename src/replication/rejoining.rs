//! While the former active hub is rejoining: nothing is written to it. What it says is brought to the active hub; what
//! the active hub says is listed, for the comparison that ends the rejoining.

use jiff::Timestamp;

use super::batch::{DeviceWork, IdentityWork, Placed};
use super::outcome::{Ended, Ending};
use crate::model::IdentityId;
use crate::pending::{At, Changed, Pending, PendingNote, Said, Settled, Terms, Tried, settle};
use crate::reconcile::{Cause, Outcome, Pass, Reason, Work};
use crate::storage::StorageError;

/// One batch while the other hub is rejoining.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rejoining<'a> {
    pub(super) pending: &'a Pending,
    /// From the former active hub to the active one.
    pub(super) pass: &'a Pass<'a>,
    pub(super) terms: &'a Terms,
}

impl<'a> Rejoining<'a> {
    /// What a device's events list.
    pub(super) fn listed(device: &DeviceWork, terms: &Terms) -> Vec<Changed> {
        let of = |identity: &IdentityWork| Changed {
            identity: identity.id.clone(),
            deleted: identity.hints.iter().any(|placed| placed.hub == terms.active && placed.is_deletion()),
        };
        device.identities.iter().map(of).collect()
    }

    /// Works one device off, itself first and then its modules.
    pub(super) async fn device(&self, device: DeviceWork) -> Vec<Ended> {
        let _held = self.pass.shared.locks.hold(&device.device).await;
        let mut work = Work::new(self.pass);
        let mut ended = Vec::new();
        for IdentityWork { id, hints } in device.identities {
            let ending = self
                .identity(&mut work, &id, &hints)
                .await
                .unwrap_or_else(|error| Ending::Held(format!("storage: {error:?}")));
            ended.push(Ended { id, ending });
        }
        ended
    }

    async fn identity(
        &self,
        work: &mut Work<'a>,
        id: &IdentityId,
        hints: &[Placed],
    ) -> Result<Ending, StorageError> {
        let said = self.said(hints);
        if said.former.is_empty() && said.active.is_empty() {
            return Ok(Ending::Listed);
        }
        let Some(note) = self.hear(id, &said).await? else { return Ok(Ending::Listed) };
        if note.reason == Reason::Moving && self.terms.is_about_to_move(&said, Timestamp::now()) {
            return Ok(Ending::Pending(Reason::Moving));
        }
        if said.former.is_empty() && !self.terms.may_be_undecided(&note) {
            return Ok(Ending::Listed);
        }
        work.begin_identity();
        Ok(match settle(work, &self.pending.store, &self.pending.losses, id, self.terms, true).await {
            Ok(Settled::Done) => Ending::Settled,
            Ok(Settled::Pending(tried)) if !tried.cause.reason.is_trouble() => Ending::Settled,
            Ok(Settled::Pending(tried)) => Ending::pending(&tried.cause),
            Err(Outcome::Held(why)) => Ending::Held(why),
            Err(Outcome::TargetSilent(why)) => Ending::TargetSilent(why),
            Err(Outcome::Pending(cause)) => Ending::pending(&cause),
            Err(outcome) => Ending::Held(format!("{outcome:?}")),
        })
    }

    fn said(&self, hints: &[Placed]) -> Said {
        let of = |hub| {
            let hints = hints.iter().filter(|placed| placed.hub == hub);
            hints.filter_map(|placed| self.terms.keeps(hub, placed.heard())).collect()
        };
        Said { former: of(self.terms.former), active: of(self.terms.active) }
    }

    async fn hear(&self, id: &IdentityId, said: &Said) -> Result<Option<PendingNote>, StorageError> {
        let at = At { now: Timestamp::now(), epoch: self.terms.epoch };
        let store = &self.pending.store;
        let changed = store.change(id, |before| Some(self.terms.noted(id, before, said, at)));
        Ok(changed.await?.map(|(note, _)| note))
    }

    /// Without an answer of the active hub for this identity alone, what was heard stays in its note.
    pub(super) async fn without_an_answer(&self, id: &IdentityId, why: &str) -> Result<(), StorageError> {
        let at = At { now: Timestamp::now(), epoch: self.terms.epoch };
        let cause = Cause::new(Reason::TargetUnreachable, why);
        let tried = Tried { waits_for: Some(self.terms.active), ..cause.into() };
        let changed = self.pending.store.change(id, |before| {
            let mut note = before.unwrap_or_else(|| PendingNote::blank(id, at));
            note.tried(&tried, at);
            Some(note)
        });
        changed.await.map(|_| ())
    }
}
