//! One identity of the comparison that ends a rejoining: settled once more, and then written back.

use jiff::Timestamp;

use super::HUB_ANSWERS;
use crate::iothub::{Deadline, HubClient};
use crate::model::{IdentityId, Revision, TwinDocument, TwinWrites};
use crate::pending::{At, Changed, Pending, PendingNote, Settled, Terms, Tried, made_after, settle};
use crate::reconcile::{Ask, Cause, Look, Loss, Outcome, OwnWrites, Pass, Reason, Stop, Work, Wrote};
use crate::routing::probe_present;
use crate::storage::StorageError;

/// One part of the comparison.
pub(super) struct Comparing<'a> {
    pub(super) pending: &'a Pending,
    pub(super) terms: Option<Terms>,
    /// From the former hub to the active one.
    pub(super) over: Pass<'a>,
    /// From the active hub to the former one.
    pub(super) back: Pass<'a>,
}

/// What may be written back.
enum Intent {
    /// This, as long as the former hub stands so.
    Write(Option<Revision>, TwinWrites),
    /// A client has written there since it was settled.
    Again,
    /// Nothing: a hub gave no answer.
    Ends(Outcome),
}

impl Comparing<'_> {
    /// Whether the identity was compared; `false` when that must be done again.
    pub(super) async fn one(&self, changed: &Changed) -> Result<bool, String> {
        if self.back.is_over() {
            return Ok(false);
        }
        let id = &changed.identity;
        let _held = self.back.shared.locks.hold(&id.device).await;
        // While batches are held, neither hub's last word is known.
        if let Some(terms) = self.terms.as_ref().filter(|terms| !terms.compared) {
            let mut work = Work::new(&self.over);
            let Pending { store, losses, .. } = self.pending;
            let note = store.of(id).await.map_err(StorageError::in_words)?;
            if note.is_some_and(|(note, _)| note.waits(Timestamp::now())) {
                return Ok(false);
            }
            match Box::pin(settle(&mut work, store, losses, id, terms, false)).await {
                Ok(Settled::Done) => {}
                Ok(Settled::Pending(_)) => return Ok(false),
                Err(Outcome::Held(why)) => return Err(why),
                Err(Outcome::TargetSilent(why)) => {
                    let silent = Cause::new(Reason::SourceUnreachable, why);
                    return self.silent(id, self.back.source(), silent).await.map(|_| false);
                }
                Err(_) => return Ok(false),
            }
        }
        Box::pin(self.write_back(changed)).await
    }

    async fn write_back(&self, changed: &Changed) -> Result<bool, String> {
        let id = &changed.identity;
        let note = self.pending.store.of(id).await.map_err(StorageError::in_words)?;
        let diverged = self.terms.map_or(0, |terms| terms.diverged.epoch);
        let note = note.map(|(note, _)| note).filter(|note| note.is_of(diverged));
        let note = note.unwrap_or_else(|| resting(id, self.at()));
        let slot = note.slot(self.back.source_role);
        // Also for a deletion on the former hub, where this program had brought it back.
        let was_deleted = changed.deleted || slot.deleted.or(slot.own.deleted_for).is_some();
        let has_lifecycle = was_deleted || slot.created.is_some() || slot.own.status.is_some();
        let ask = Ask { compare_registry: has_lifecycle, announced_delete: was_deleted, ..Ask::default() };
        let mut work = Work::new(&self.back);
        let Some(terms) = &self.terms else {
            self.pending.name_what_is_overwritten(&note, self.back.target_role()).await?;
            let outcome = work.reconcile(id, ask).await;
            return self.ended(id, outcome).await;
        };
        let writes = match Box::pin(self.intend(&mut work, &note, terms, was_deleted)).await? {
            Intent::Write(seen, writes) => {
                work.expect(id, seen);
                writes
            }
            Intent::Again => return Ok(false),
            Intent::Ends(outcome) => return self.ended(id, outcome).await,
        };
        let outcome = work.reconcile(id, ask).await;
        self.remember(id, terms, &work, &writes).await?;
        self.ended(id, outcome).await
    }

    async fn ended(&self, id: &IdentityId, outcome: Outcome) -> Result<bool, String> {
        match outcome {
            Outcome::Equal | Outcome::Absent | Outcome::Written => Ok(true),
            // The event that says why is held.
            Outcome::OnlyOnTarget if self.terms.is_some_and(|terms| terms.compared) => Ok(true),
            Outcome::OnlyOnTarget => {
                let cause = Cause::new(Reason::OnlyOnStandby, "the active hub does not have it");
                self.note(id, cause).await
            }
            Outcome::Pending(cause) if [Reason::NotReached, Reason::Contended].contains(&cause.reason) => {
                Ok(false)
            }
            Outcome::Pending(cause) => self.note(id, cause).await,
            Outcome::SourceSilent(error) => {
                self.silent(id, self.back.source(), Cause::of_source(&error)).await
            }
            Outcome::TargetSilent(why) => {
                let silent = Cause::new(Reason::TargetUnreachable, why);
                self.silent(id, self.back.target(), silent).await
            }
            Outcome::Held(why) => Err(why),
        }
    }

    /// One identity of which a hub says nothing holds up nobody, if that hub answers otherwise.
    async fn silent(&self, id: &IdentityId, hub: &HubClient, cause: Cause) -> Result<bool, String> {
        match probe_present(hub, Deadline::after(HUB_ANSWERS).or(self.back.work_ends)).await {
            Ok(_) => self.note(id, cause).await,
            Err(_) => Err(cause.detail),
        }
    }

    /// What is about to be written to the former hub is not its clients'; and where that hub stood then.
    async fn intend(
        &self,
        work: &mut Work<'_>,
        note: &PendingNote,
        terms: &Terms,
        was_deleted: bool,
    ) -> Result<Intent, String> {
        let id = &note.identity;
        let target = self.back.target_role();
        let former = match work.target_or_stop(id).await {
            Ok(former) => former,
            Err(stop) => return Ok(Intent::Ends(stop.into())),
        };
        let seen = former.as_ref().map(Revision::from);
        let mut writes = TwinWrites::default();
        let intended = match (self.back.source_twin(id).await, former) {
            (Look::Unreachable(error), _) => return Ok(Intent::Ends(work.source_silent(error))),
            (Look::Present(_), None) => {
                if id.module.is_some() && matches!(work.target_or_stop(&id.owner()).await, Ok(None)) {
                    // It is made with its module else, and nobody would know who made it.
                    let device = Changed { identity: id.owner(), deleted: false };
                    Box::pin(self.write_back(&device)).await?;
                }
                self.change(id, |note| note.slot_mut(target).own.created = Some(String::new())).await
            }
            (Look::Absent, Some(former)) if was_deleted => {
                // Without a time, whatever was made since the two diverged may be later.
                let deleted = note.slot(self.back.source_role).deleted;
                let end = deleted.unwrap_or(terms.diverged.since);
                match Box::pin(self.ends(work, note, terms, (end, &former))).await? {
                    Ok(true) => {}
                    // The event that says so comes.
                    Ok(false) => return Ok(Intent::Ends(Outcome::OnlyOnTarget)),
                    Err(stop) => return Ok(Intent::Ends(stop.into())),
                }
                let now = Timestamp::now();
                self.change(id, |note| {
                    let own = &mut note.slot_mut(target).own;
                    own.deleted_for = Some(deleted.unwrap_or(now));
                    own.begin_to_end(now);
                })
                .await
            }
            (Look::Absent, _) => Ok(()),
            (Look::Present(active), Some(former)) if says_the_same(&active, &former) => Ok(()),
            (Look::Present(active), Some(former)) if terms.has_more(note, &former, &active) => {
                if terms.compared {
                    // Nothing is settled any more, and in sync it is overwritten.
                    let losses = terms.left_behind(note, &former, &active);
                    let named = self.pending.losses.add(id, terms.epoch, &losses).await;
                    named.map_err(StorageError::in_words)?;
                }
                return Ok(Intent::Again);
            }
            (Look::Present(active), Some(former)) => {
                writes = OwnWrites::making(&former, &active);
                self.change(id, |note| note.slot_mut(target).own.begin(&former, writes.clone())).await
            }
        };
        intended.map(|()| Intent::Write(seen, writes))
    }

    /// Whether what the former hub has ends with what was deleted on the active one, and was not made there later. What its
    /// clients wrote since is named.
    async fn ends(
        &self,
        work: &mut Work<'_>,
        note: &PendingNote,
        terms: &Terms,
        (end, former): (Timestamp, &TwinDocument),
    ) -> Result<Result<bool, Stop>, String> {
        let id = &note.identity;
        let own = &note.slot(terms.former).own;
        // What was made there before the two diverged was copied, also where that came after the deletion.
        let end = end.max(terms.since(terms.former).unwrap_or(Timestamp::MIN));
        match self.back.target_identity(id).await {
            Look::Present(entry) if made_after(&entry, own, end) => {
                // What was announced is over: it is no reason to delete this one, now or later.
                let active = terms.active;
                self.change(id, |note| note.slot_mut(active).deleted = None).await?;
                return Ok(Ok(false));
            }
            Look::Absent => return Ok(Err(Stop::Again)),
            _ => {}
        }
        let modules = match id.module {
            Some(_) => Ok(None),
            None => work.modules_there(id).await,
        };
        let modules = match modules {
            Ok(modules) => modules.unwrap_or_default(),
            Err(stop) => return Ok(Err(stop)),
        };
        self.name(note, terms.written_there_after(note, end, former)).await?;
        for (module, entry) in modules {
            let Look::Present(twin) = self.back.target_twin(&module).await else { continue };
            let note = self.pending.store.of(&module).await.map_err(StorageError::in_words)?;
            let note = note.map(|(note, _)| note).filter(|note| note.is_of(terms.diverged.epoch));
            let note = note.unwrap_or_else(|| resting(&module, self.at()));
            let mut losses = terms.written_there_after(&note, end, &twin);
            if made_after(&entry, &note.slot(terms.former).own, end) {
                losses.push(Loss::of_lifecycle("made since"));
            }
            self.name(&note, losses).await?;
        }
        Ok(Ok(true))
    }

    async fn name(&self, note: &PendingNote, losses: Vec<Loss>) -> Result<(), String> {
        let epoch = self.back.lease.lease().epoch;
        self.pending.losses.add(&note.identity, epoch, &losses).await.map_err(StorageError::in_words)
    }

    async fn remember(
        &self,
        id: &IdentityId,
        terms: &Terms,
        work: &Work<'_>,
        writes: &TwinWrites,
    ) -> Result<(), String> {
        let (wrote, was_deleted, now) = (&work.wrote, work.has_deleted, Timestamp::now());
        if *wrote == Wrote::default() && !was_deleted {
            return Ok(());
        }
        let made = match wrote.created {
            true => match self.back.target_identity(id).await {
                Look::Present(entry) => entry.generation_id().map(str::to_owned),
                _ => None,
            },
            false => None,
        };
        self.change(id, |note| {
            let own = &mut note.slot_mut(terms.former).own;
            own.wrote(wrote, writes);
            if let Some(made) = &made {
                own.has_made(made.clone());
            }
            if was_deleted {
                own.has_ended(now, true);
            }
        })
        .await
    }

    async fn change(&self, id: &IdentityId, change: impl Fn(&mut PendingNote)) -> Result<(), String> {
        let at = self.at();
        let changed = self.pending.store.change(id, |before| {
            let mut note = before.unwrap_or_else(|| resting(id, at));
            change(&mut note);
            Some(note)
        });
        changed.await.map(drop).map_err(StorageError::in_words)
    }

    async fn note(&self, id: &IdentityId, cause: Cause) -> Result<bool, String> {
        let at = self.at();
        let changed = self.pending.store.change(id, |before| {
            let mut note = before.unwrap_or_else(|| PendingNote::blank(id, at));
            note.tried(&Tried::from(cause.clone()), at);
            Some(note)
        });
        changed.await.map(|_| true).map_err(StorageError::in_words)
    }

    fn at(&self) -> At {
        At { now: Timestamp::now(), epoch: self.back.lease.lease().epoch }
    }
}

fn resting(id: &IdentityId, at: At) -> PendingNote {
    let mut note = PendingNote::blank(id, at);
    note.rests(at);
    note
}

fn says_the_same(one: &TwinDocument, other: &TwinDocument) -> bool {
    one.tags == other.tags
        && one.desired.values == other.desired.values
        && one.reported.values == other.reported.values
        && one.unreadable == other.unreadable
}
