//! While the standby is in sync: it is made what the active hub says. What the standby says itself is compared.

use jiff::Timestamp;

use super::batch::{DeviceWork, IdentityWork, Placed};
use super::outcome::{Ended, Ending};
use crate::model::{IdentityId, TwinDocument};
use crate::pending::{At, Heard, Pending, PendingNote, Tried, follow};
use crate::reconcile::{
    Ask, Cause, Difference, Loss, ONCE_MORE, Outcome, Pass, RECENT, Reason, Work, in_words,
};

/// One batch while the standby is in sync.
#[derive(Debug, Clone, Copy)]
pub(super) struct InSync<'a> {
    pub(super) pending: &'a Pending,
    /// From the active hub to the standby.
    pub(super) pass: &'a Pass<'a>,
}

impl<'a> InSync<'a> {
    /// Works one device off, itself first and then its modules.
    pub(super) async fn device(&self, device: DeviceWork) -> Vec<Ended> {
        let _held = self.pass.shared.locks.hold(&device.device).await;
        let mut work = Work::new(self.pass);
        let mut ended = Vec::new();
        for identity in device.identities {
            let ending = self.identity(&mut work, &identity).await;
            ended.push(Ended { id: identity.id, ending });
        }
        ended
    }

    /// Looks again at an identity that was left pending.
    pub(super) async fn once_more(&self, before: Ended) -> Ended {
        let id = before.id.clone();
        let _held = self.pass.shared.locks.hold(&id.device).await;
        let mut work = Work::new(self.pass);
        let ask = Ask { compare_registry: true, ..Ask::default() };
        match work.reconcile(&id, ask).await {
            Outcome::Equal | Outcome::Written => Ended { ending: Ending::Written, ..before },
            _ => before,
        }
    }

    async fn identity(&self, work: &mut Work<'a>, identity: &IdentityWork) -> Ending {
        let IdentityWork { id, hints } = identity;
        let (active, standby): (Vec<&Placed>, Vec<&Placed>) =
            hints.iter().partition(|placed| placed.hub == self.pass.source_role);
        let strange: Vec<&Placed> = standby.into_iter().filter(|placed| !self.is_echo(placed)).collect();
        let was_remade = strange.iter().any(|placed| placed.is_creation() || placed.is_deletion());
        if !strange.is_empty() {
            // Somebody else was here.
            self.pass.shared.pairs.forget(id);
        }
        if was_remade {
            // Its counters begin again.
            self.pass.shared.echoes.forget(self.pass.target_role(), id);
        }
        match (active.is_empty(), strange.is_empty()) {
            (true, true) => Ending::Echo,
            (true, false) => self.of_the_standby(work, id, &strange).await,
            (false, true) => self.of_the_active(work, id, &active, false).await,
            (false, false) => match self.named_before(work, id, &strange).await {
                Ok(()) => self.of_the_active(work, id, &active, was_remade).await,
                Err(ending) => ending,
            },
        }
    }

    fn is_echo(&self, placed: &Placed) -> bool {
        self.pass.shared.echoes.is_echo(placed.hub, &placed.hint)
    }

    /// Names what somebody wrote to the standby, where copying what the active hub says is next.
    async fn named_before(
        &self,
        work: &mut Work<'a>,
        id: &IdentityId,
        strange: &[&Placed],
    ) -> Result<(), Ending> {
        work.take_place().await;
        match work.difference(id, false).await {
            Ok(Some(Difference { twins: Some(twins), .. })) => self.name(id, strange, twins).await.map(drop),
            // Then nothing is overwritten, or copying comes to the same end.
            _ => Ok(()),
        }
    }

    /// Whether there was something to name.
    async fn name(
        &self,
        id: &IdentityId,
        strange: &[&Placed],
        (active, standby): (TwinDocument, TwinDocument),
    ) -> Result<bool, Ending> {
        let losses = overwritten(strange, &active, &standby);
        match self.pending.losses.add(id, self.pass.lease.lease().epoch, &losses).await {
            Ok(_) => Ok(!losses.is_empty()),
            Err(error) => Err(Ending::Held(format!("storage: {error:?}"))),
        }
    }

    async fn of_the_active(
        &self,
        work: &mut Work<'a>,
        id: &IdentityId,
        hints: &[&Placed],
        compare_registry: bool,
    ) -> Ending {
        let announced_delete = hints.iter().any(|placed| placed.is_deletion());
        let created = hints.iter().any(|placed| placed.is_creation());
        if announced_delete {
            self.pass.shared.pairs.forget(id);
        }
        let ask = Ask {
            compare_registry: compare_registry || created || announced_delete,
            only_created: hints.iter().all(|placed| placed.is_creation()),
            announced_delete,
            ..Ask::default()
        };
        work.begin_identity();
        // Before the hubs are looked at: what is noted by then they show.
        let noted = match self.pending.store.of_own(id).await {
            Ok(noted) => noted.map(|(note, _)| note),
            Err(error) => return Ending::Held(format!("storage: {error:?}")),
        };
        let outcome = work.reconcile(id, ask).await;
        let heard: Vec<Heard> = hints.iter().map(|placed| placed.heard()).collect();
        match outcome {
            Outcome::Equal => self.copied(id, noted, Ending::Equal).await,
            // It may be a creation that said so, and what was made is not shown for a moment.
            Outcome::Written if work.has_deleted && !hints.iter().any(|placed| placed.says_deleted()) => {
                self.once_more_soon(id, &heard, Ending::Written).await
            }
            Outcome::Written => self.copied(id, noted, Ending::Written).await,
            Outcome::Absent => self.absent(id, hints, &heard).await,
            // The event that says that it was deleted is on its way, or was here and could not be followed.
            Outcome::OnlyOnTarget => Ending::Equal,
            Outcome::SourceSilent(error) => match follow(work, &self.pending.store, id, &heard, &error).await
            {
                Ok(()) => Ending::Followed,
                Err(Outcome::Pending(cause)) => Ending::pending(&cause),
                Err(outcome) => self.without_an_answer(id, &heard, outcome).await,
            },
            Outcome::Pending(cause) => self.note(id, &heard, cause.into()).await,
            outcome => self.without_an_answer(id, &heard, outcome).await,
        }
    }

    /// The standby has what the active hub says: what a note kept of it is older, and must not be written over it should
    /// the active hub be lost before that note is tried.
    async fn copied(&self, id: &IdentityId, noted: Option<PendingNote>, ending: Ending) -> Ending {
        let source = self.pass.source_role;
        let is_older =
            |note: &PendingNote| note.reason != Reason::Rejoining && !note.slot(source).writes.is_empty();
        let Some(seen) = noted.filter(is_older) else { return ending };
        let changed = self.pending.store.change(id, |before| {
            let mut note = before?;
            note.slot_mut(source).drop_copied(seen.slot(source));
            note.is_due(Timestamp::now());
            Some(note)
        });
        match changed.await {
            Ok(_) => ending,
            Err(error) => Ending::Held(format!("storage: {error:?}")),
        }
    }

    /// The target or the lease gave no answer. What was heard is noted in case only this identity has none.
    async fn without_an_answer(&self, id: &IdentityId, heard: &[Heard], outcome: Outcome) -> Ending {
        match outcome {
            Outcome::TargetSilent(why) => {
                let waits_for = Some(self.pass.target_role());
                let cause = Cause::new(Reason::TargetUnreachable, why.as_str());
                match self.note(id, heard, Tried { waits_for, ..cause.into() }).await {
                    Ending::Pending(_) => Ending::TargetSilent(why),
                    ending => ending,
                }
            }
            Outcome::Held(why) => Ending::Held(why),
            other => Ending::Held(format!("{other:?}")),
        }
    }

    /// Absent on both. What was created or deleted moments ago is looked at once more: a hub may not show yet what it
    /// has created, and a create of another process may be under way when the deletion is heard.
    async fn absent(&self, id: &IdentityId, hints: &[&Placed], heard: &[Heard]) -> Ending {
        let now = Timestamp::now();
        let is_recent = |placed: &&Placed| {
            (placed.is_creation() || placed.is_deletion())
                && placed.hint.occurred.is_none_or(|occurred| now.duration_since(occurred) < RECENT)
        };
        if !hints.iter().any(is_recent) {
            return Ending::Equal;
        }
        self.once_more_soon(id, heard, Ending::Equal).await
    }

    async fn once_more_soon(&self, id: &IdentityId, heard: &[Heard], ending: Ending) -> Ending {
        let cause = Cause::new(Reason::Announced, "looked at once more");
        let not_before = Timestamp::now().saturating_add(ONCE_MORE).ok();
        match self.note(id, heard, Tried { not_before, ..cause.into() }).await {
            Ending::Pending(_) => ending,
            other => other,
        }
    }

    /// Writes down that an identity is not right, with what was heard of it.
    async fn note(&self, id: &IdentityId, heard: &[Heard], tried: Tried) -> Ending {
        let at = At { now: Timestamp::now(), epoch: self.pass.lease.lease().epoch };
        let source = self.pass.source_role;
        let mut is_news = false;
        let noted = self.pending.store.change(id, |before| {
            is_news = before.as_ref().is_none_or(|note| note.reason != tried.cause.reason);
            // What was kept for a rejoining that is over says nothing of what follows.
            let before = before.filter(|note| !note.is_of_an_ended_rejoining(at.epoch));
            let was_trouble = before.as_ref().is_some_and(|note| note.reason.is_trouble());
            let mut note = before.unwrap_or_else(|| PendingNote::blank(id, at));
            heard.iter().for_each(|heard| note.place(&heard.at));
            note.hear(source, heard, at.now, true);
            match was_trouble && !tried.cause.reason.is_trouble() {
                // What is wrong with it stays so until it is looked at.
                true => note.is_due(tried.not_before.unwrap_or(at.now)),
                false => note.tried(&tried, at),
            }
            Some(note)
        });
        if let Err(error) = noted.await {
            return Ending::Held(format!("storage: {error:?}"));
        }
        if is_news && tried.cause.reason.is_trouble() {
            let Cause { reason, detail, .. } = &tried.cause;
            tracing::warn!(identity = %id, %reason, detail, "pending");
        }
        Ending::pending(&tried.cause)
    }

    /// What the standby's own events mean that are no echo of what this process wrote. Drift never deletes.
    async fn of_the_standby(&self, work: &mut Work<'a>, id: &IdentityId, strange: &[&Placed]) -> Ending {
        let was_deleted = strange.iter().any(|placed| placed.is_deletion());
        work.take_place().await;
        let Difference { mut cause, twins } = match work.difference(id, was_deleted).await {
            Ok(None) => return Ending::Echo,
            Ok(Some(difference)) => difference,
            Err(Outcome::SourceSilent(error)) => {
                let cause = Cause::new(Reason::SourceUnreachable, in_words(&error));
                let waits_for = Some(self.pass.source_role);
                return self.note(id, &[], Tried { waits_for, ..cause.into() }).await;
            }
            Err(Outcome::Pending(cause)) => cause.into(),
            Err(outcome) => return self.without_an_answer(id, &[], outcome).await,
        };
        if let Some(twins) = twins {
            match self.name(id, strange, twins).await {
                // What another process copied there, and the active hub has changed since: that event comes.
                Ok(false) if !was_deleted => cause = Cause::new(Reason::Announced, "looked at once more"),
                Ok(_) => {}
                Err(ending) => return ending,
            }
        }
        if cause.reason.is_trouble() {
            tracing::warn!(identity = %id, events = strange.len(), reason = %cause.reason, "drift: {}", cause.detail);
        }
        self.note(id, &[], cause.into()).await
    }
}

/// What these events say was written to the standby, and copying the active hub overwrites.
fn overwritten(hints: &[&Placed], active: &TwinDocument, standby: &TwinDocument) -> Vec<Loss> {
    let of = |placed: &&Placed| Loss::of_overwritten(&placed.hint.writes, active, standby);
    hints.iter().flat_map(of).collect()
}
