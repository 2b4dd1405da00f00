//! While the former active hub is rejoining: nothing is written to it. What it says is brought to the active hub; what
//! the active hub says is listed, for the comparison that ends the rejoining.

use jiff::Timestamp;

use super::batch::{DeviceWork, IdentityWork, Placed};
use super::outcome::{Ended, Ending};
use crate::model::IdentityId;
use crate::pending::{At, Changed, Heard, Pending, PendingNote, Settled, Terms, Tried, settle};
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

/// What both hubs' events of one identity say.
struct Said {
    former: Vec<Heard>,
    active: Vec<Heard>,
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
        let is_moving = Timestamp::now() < self.terms.moved_by
            && said.active.is_empty()
            && said.former.iter().all(Heard::is_reported_only);
        let Some(note) = self.hear(id, &said, is_moving).await? else { return Ok(Ending::Listed) };
        if is_moving && note.reason == Reason::Moving {
            return Ok(Ending::Pending(Reason::Moving));
        }
        if said.former.is_empty() && !self.may_be_undecided(&note) {
            return Ok(Ending::Listed);
        }
        work.begin_identity();
        Ok(match settle(work, &self.pending.store, &self.pending.losses, id, self.terms).await {
            Ok(Settled::Done) => Ending::Settled,
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

    async fn hear(
        &self,
        id: &IdentityId,
        said: &Said,
        is_moving: bool,
    ) -> Result<Option<PendingNote>, StorageError> {
        let at = At { now: Timestamp::now(), epoch: self.terms.epoch };
        let (former, active) = (self.terms.former, self.terms.active);
        let changed = self.pending.store.change(id, |before| {
            let is_new = before.is_none();
            let mut note = before.unwrap_or_else(|| PendingNote::blank(id, at));
            said.former.iter().chain(&said.active).for_each(|heard| note.place(&heard.at));
            note.hear(former, &said.former, at.now, true);
            note.hear(active, &said.active, at.now, false);
            let rests = note.reason == Reason::Rejoining;
            if is_moving && (is_new || rests || note.reason == Reason::Moving) {
                let cause =
                    Cause::new(Reason::Moving, "it is about to move, and will report on the active hub");
                note.tried(&Tried { not_before: Some(self.terms.moved_by), ..cause.into() }, at);
            } else if is_new && said.former.is_empty() {
                note.rests(at);
            }
            Some(note)
        });
        Ok(changed.await?.map(|(note, _)| note))
    }

    /// Whether what the active hub's clients say may change what was brought over before.
    fn may_be_undecided(&self, note: &PendingNote) -> bool {
        note.slot(self.terms.former).is_worth_keeping() || !note.slot(self.terms.active).own.is_empty()
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
