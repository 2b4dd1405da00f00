//! What a former active hub's clients said, brought to the active one.
//!
//! The note comes first: what was heard, what two hubs disagree on, and what is about to be written are durable before
//! the write, and the version that the write returned is kept after it. So whoever settles next, in whichever process,
//! tells the app's own writes from clients'.

use jiff::Timestamp;
use serde_json::Value;

use super::losses::LossStore;
use super::note::{PendingNote, Tried};
use super::store::PendingStore;
use super::terms::Terms;
use crate::iothub::HubErrorKind;
use crate::model::{IdentityDocument, IdentityId, Object, SectionWrites, TwinDocument, TwinWrites};
use crate::reconcile::{Ask, Cause, Former, Look, Loss, Merge, Outcome, Reason, Stop, Work, Wrote, in_words};

/// Rounds of one identity.
const ROUNDS: u32 = 6;

/// Ticks of 100 ns from the year 1 to 1970: a generation is a time counted so (observed).
const TICKS_BEFORE_1970: i64 = 621_355_968_000_000_000;

/// Tries after which an identity of which nobody says who made it counts as a client's.
const UNDECIDED: u32 = 4;

/// Which life of an identity the active hub has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// The one that the former hub has.
    Same,
    /// This program made it again, before it was heard that a client had deleted it.
    OurOwnAfterItsEnd,
    /// A client made it again, then.
    New(Timestamp),
}

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

/// Settles one identity, from what its note holds and what both hubs say now. `work` goes from the former hub to the
/// active one. The note says afterwards how it ended.
///
/// # Errors
/// When the active hub or storage give no answer, or there is no lease.
pub(crate) async fn settle(
    work: &mut Work<'_>,
    store: &PendingStore,
    losses: &LossStore,
    id: &IdentityId,
    terms: &Terms,
) -> Result<Settled, Outcome> {
    for _ in 0..ROUNDS {
        work.take_place().await;
        let mut settling = Settling { work: &mut *work, store, losses, id, terms, note: blank(id, terms) };
        match settling.once().await {
            Ok(settled) => return Ok(settled),
            Err(Stop::Again) => {}
            Err(Stop::At(Outcome::Pending(cause))) => {
                return settling.write_down(cause.into()).await.map_err(end);
            }
            Err(Stop::At(outcome)) => return Err(outcome),
        }
    }
    let mut settling = Settling { work, store, losses, id, terms, note: blank(id, terms) };
    settling.write_down(Cause::contended().into()).await.map_err(end)
}

fn end(stop: Stop) -> Outcome {
    match stop {
        Stop::Again => Outcome::Pending(Cause::contended()),
        Stop::At(outcome) => outcome,
    }
}

fn blank(id: &IdentityId, terms: &Terms) -> PendingNote {
    PendingNote::blank(id, terms.at())
}

struct Settling<'w, 'p> {
    work: &'w mut Work<'p>,
    store: &'w PendingStore,
    losses: &'w LossStore,
    id: &'w IdentityId,
    terms: &'w Terms,
    /// As it was when this round began.
    note: PendingNote,
}

impl Settling<'_, '_> {
    async fn once(&mut self) -> Result<Settled, Stop> {
        let noted = self.store.of(self.id).await?;
        if let Some((note, _)) = noted.filter(|(note, _)| note.is_of(self.terms.diverged.epoch)) {
            self.note = note;
        }
        let active = self.work.target_or_stop(self.id).await?;
        let former = self.work.pass.source_twin(self.id).await;
        tracing::debug!(
            identity = %self.id,
            active = active.is_some(),
            former = former.in_a_word(),
            created = ?self.note.slot(self.terms.former).created,
            deleted = ?self.note.slot(self.terms.former).deleted,
            deleted_here = ?self.note.slot(self.terms.active).deleted,
            "settling"
        );
        let given_up = self.note.slot(self.terms.former).given_up;
        let settled = match (active, former) {
            (active, former) if given_up => self.is_given_up(active, former).await?,
            (None, Look::Absent) => Settled::Done,
            (None, Look::Present(_)) => self.only_on_the_former().await?,
            (Some(_), Look::Absent) => self.gone_on_the_former().await?,
            (Some(active), Look::Present(former)) => self.on_both(&former, &active).await?,
            (_, Look::Unreachable(error))
                if error.kind == HubErrorKind::NoTurn || self.work.pass.is_over() =>
            {
                Cause::not_reached().into()
            }
            (None, Look::Unreachable(error)) => match self.heard_former() {
                true => self.waits_for_the_former(in_words(&error)),
                false => Settled::Done,
            },
            (Some(active), Look::Unreachable(error)) => match self.note.slot(self.terms.former).deleted {
                Some(_) => self.waits_for_the_former(in_words(&error)),
                None => self.bring_over(Former::Silent, &active).await?,
            },
        };
        match settled {
            Settled::Done => self.done().await,
            Settled::Pending(tried) => self.write_down(tried).await,
        }
    }

    /// What the former hub says of it, or is heard to have said, is named, and the active hub stays as it is.
    async fn is_given_up(
        &mut self,
        active: Option<TwinDocument>,
        former: Look<TwinDocument>,
    ) -> Result<Settled, Stop> {
        let losses = match (&active, &former) {
            (None, Look::Present(_)) => vec![Loss::of_lifecycle("created")],
            (Some(_), Look::Absent) if self.note.slot(self.terms.former).deleted.is_some() => {
                vec![Loss::of_lifecycle("deleted")]
            }
            (Some(active), Look::Present(former)) => {
                self.terms.merged(&self.note, Former::Twin(former), active).given_up(active)
            }
            (_, Look::Unreachable(_)) => Loss::of_writes(&self.note.slot(self.terms.former).writes),
            (_, Look::Absent) => Vec::new(),
        };
        self.losses.add(self.id, self.terms.epoch, &losses).await?;
        Ok(Settled::Done)
    }

    fn heard_former(&self) -> bool {
        let slot = self.note.slot(self.terms.former);
        let deleted_here = self.note.slot(self.terms.active).deleted;
        let newer = deleted_here.is_none_or(|deleted| slot.created.is_some_and(|created| created > deleted));
        newer && (slot.created.is_some() || !slot.writes.is_empty())
    }

    fn waits_for_the_former(&self, why: String) -> Settled {
        let cause = Cause::new(Reason::Backlog, why);
        Settled::Pending(Tried { waits_for: Some(self.terms.former), ..cause.into() })
    }

    /// Created there and not yet here, or deleted here.
    async fn only_on_the_former(&mut self) -> Result<Settled, Stop> {
        if self.was_deleted_here() || self.former_has_our_copy().await? {
            return Ok(Settled::Done);
        }
        self.intend_to_create().await?;
        let ask = Ask { compare_registry: true, create_only: true, ..Ask::default() };
        let outcome = Box::pin(self.work.reconcile(self.id, ask)).await;
        if !matches!(outcome, Outcome::Written | Outcome::TargetSilent(_)) {
            let (active, before) = (self.terms.active, self.note.slot(self.terms.active).own.created.clone());
            self.change(|note| note.slot_mut(active).own.created.clone_from(&before)).await?;
        }
        match outcome {
            Outcome::Written => {
                self.remember_creation().await?;
                // What a bulk call does not honour is seen by looking again.
                Err(Stop::Again)
            }
            Outcome::Equal | Outcome::Absent | Outcome::OnlyOnTarget => Err(Stop::Again),
            Outcome::SourceSilent(error) => Ok(self.waits_for_the_former(in_words(&error))),
            Outcome::Pending(cause) => Ok(cause.into()),
            outcome => Err(Stop::At(outcome)),
        }
    }

    /// Whether a client deleted it on the active hub, after whatever life the former one tells of. What this program
    /// made and is not there any more was deleted, also before that is announced.
    fn was_deleted_here(&self) -> bool {
        let (former, active) = (self.note.slot(self.terms.former), self.note.slot(self.terms.active));
        let made_here = active.own.created.as_deref().and_then(made_at);
        let last = match made_here {
            Some(made) => active.deleted.max(Some(made)),
            // The deletion that is heard here may be the app's own, which followed one on the former hub.
            None => active.own.deleted_for.or(active.deleted),
        };
        last.is_some_and(|last| former.created.is_none_or(|created| created <= last))
    }

    /// What the former hub has was put there by this program: whoever deleted it here has not been heard yet.
    async fn former_has_our_copy(&mut self) -> Result<bool, Stop> {
        let own = self.note.slot(self.terms.former).own.clone();
        if own.created.is_none() || own.made(None) {
            return Ok(own.created.is_some());
        }
        match self.work.pass.source_identity(self.id).await {
            Look::Present(entry) => Ok(own.made(entry.generation_id())),
            Look::Absent => Err(Stop::Again),
            Look::Unreachable(error) => Err(Stop::pending(Cause::of_source(&error))),
        }
    }

    /// Whoever hears of a deletion from now on knows that what is there next may be of our own making. One that has been
    /// heard since the note was read is looked at first.
    async fn intend_to_create(&self) -> Result<(), Stop> {
        if self.id.module.is_some() {
            return Ok(());
        }
        let (active, known) = (self.terms.active, self.note.slot(self.terms.active).deleted);
        let mut is_news = false;
        self.change(|note| {
            let slot = note.slot_mut(active);
            is_news = slot.deleted != known;
            if !is_news {
                slot.own.created = Some(String::new());
            }
        })
        .await?;
        if is_news { Err(Stop::Again) } else { Ok(()) }
    }

    async fn remember_creation(&mut self) -> Result<(), Stop> {
        if self.id.module.is_some() {
            return Ok(());
        }
        let generation = match self.work.pass.target_identity(self.id).await {
            Look::Present(made) => made.generation_id().map(str::to_owned),
            _ => None,
        };
        let (active, generation) = (self.terms.active, Some(generation.unwrap_or_default()));
        self.change(|note| note.slot_mut(active).own.created.clone_from(&generation)).await
    }

    /// Deleted there, or never there.
    async fn gone_on_the_former(&mut self) -> Result<Settled, Stop> {
        let Some(deleted) = self.note.slot(self.terms.former).deleted else { return Ok(Settled::Done) };
        if self.has_a_later_life(deleted).await? {
            let loss = self.lost_deletion();
            self.losses.add(self.id, self.terms.epoch, &[loss]).await?;
            return Ok(Settled::Done);
        }
        let role = self.terms.active;
        self.change(|note| note.slot_mut(role).own.deleted_for = Some(deleted)).await?;
        let ask = Ask { announced_delete: true, ..Ask::default() };
        match Box::pin(self.work.reconcile(self.id, ask)).await {
            Outcome::Written => {
                self.change(|note| note.slot_mut(role).own.created = None).await?;
                Ok(Settled::Done)
            }
            Outcome::Equal | Outcome::Absent | Outcome::OnlyOnTarget => Ok(Settled::Done),
            Outcome::SourceSilent(error) => Ok(self.waits_for_the_former(in_words(&error))),
            Outcome::Pending(cause) => Ok(cause.into()),
            outcome => Err(Stop::At(outcome)),
        }
    }

    fn lost_deletion(&self) -> Loss {
        Loss {
            section: "registry".to_owned(),
            path: Vec::new(),
            active: Value::from("made again since"),
            former_active: Value::Null,
            kept: "active".to_owned(),
        }
    }

    /// Whether a client made it again on the active hub since the roles changed.
    async fn has_a_later_life(&mut self, deleted: Timestamp) -> Result<bool, Stop> {
        let active = self.note.slot(self.terms.active);
        let said = active.created.is_some_and(|created| created > deleted) && active.own.created.is_none();
        if self.id.module.is_some() {
            return Ok(said);
        }
        let entry = self.entry().await?;
        let Some(generation) = entry.as_ref().and_then(IdentityDocument::generation_id) else {
            return Ok(said);
        };
        if self.note.slot(self.terms.active).own.made(Some(generation)) {
            return Ok(false);
        }
        let since = self.terms.since(self.terms.active).unwrap_or(Timestamp::MIN);
        Ok(made_at(generation).map_or(said, |made| made >= since.max(deleted)))
    }

    async fn entry(&mut self) -> Result<Option<IdentityDocument>, Stop> {
        match self.work.pass.target_identity(self.id).await {
            Look::Present(entry) => Ok(Some(entry)),
            Look::Absent => Err(Stop::Again),
            Look::Unreachable(error) => Err(Stop::target(&error)),
        }
    }

    async fn on_both(&mut self, former: &TwinDocument, active: &TwinDocument) -> Result<Settled, Stop> {
        match self.life_here().await? {
            Life::Same => {}
            Life::OurOwnAfterItsEnd => {
                let cause = self.work.remove(self.id, active, &active.device_etag).await?;
                return cause.map_or(Err(Stop::Again), |cause| Ok(cause.into()));
            }
            Life::New(made) => {
                let role = self.terms.active;
                self.change(|note| note.slot_mut(role).begin_anew(made)).await?;
                return Err(Stop::Again);
            }
        }
        if self.entry_is_the_formers(former, active).await? {
            self.work.copy_entry(self.id, active).await?;
            let (role, entry) = (self.terms.active, former.device_etag.clone());
            self.change(|note| note.slot_mut(role).own.entry = Some(entry.clone())).await?;
            return Err(Stop::Again);
        }
        self.bring_over(Former::Twin(former), active).await
    }

    /// Which life of the identity the active hub has, as far as anything was heard of its end or beginning there.
    async fn life_here(&mut self) -> Result<Life, Stop> {
        let (former, active) =
            (self.note.slot(self.terms.former).clone(), self.note.slot(self.terms.active).clone());
        let heard = active.deleted.max(active.created);
        if heard.is_none() || heard <= active.remade {
            return Ok(Life::Same);
        }
        let entry = self.entry().await?;
        let generation = entry.as_ref().and_then(IdentityDocument::generation_id);
        if active.own.made(None) && active.deleted.is_some() && self.note.attempts < UNDECIDED {
            // Another process is about to say which life it made.
            return Err(Stop::pending(Cause::contended()));
        }
        if active.own.made(generation) && !(active.own.made(None) && active.deleted.is_some()) {
            let was_before = |end: Timestamp| former.created.is_none_or(|made| made <= end);
            let is_over =
                active.deleted.is_some_and(was_before) && active.own.deleted_for.is_none_or(was_before);
            return Ok(if is_over { Life::OurOwnAfterItsEnd } else { Life::Same });
        }
        let since = self.terms.since(self.terms.active).unwrap_or(Timestamp::MIN);
        let made = generation.and_then(made_at).or(active.created);
        Ok(made.filter(|made| *made >= since).map_or(Life::Same, Life::New))
    }

    /// Whether the registry entry on the active hub is older than what the former one has: of a life before, or of
    /// another status.
    async fn entry_is_the_formers(
        &mut self,
        former: &TwinDocument,
        active: &TwinDocument,
    ) -> Result<bool, Stop> {
        let since = self.terms.since(self.terms.active);
        if former.is_enabled() != active.is_enabled() {
            let (theirs, ours) = (status_changed(former), status_changed(active));
            let ours_is_a_clients = since.is_none_or(|since| ours.is_some_and(|ours| ours >= since));
            return Ok(!ours_is_a_clients || theirs > ours);
        }
        let Some(created) = self.note.slot(self.terms.former).created.filter(|_| self.id.module.is_none())
        else {
            return Ok(false);
        };
        let own = self.note.slot(self.terms.active).own.clone();
        if own.entry.as_ref() == Some(&former.device_etag) {
            return Ok(false);
        }
        let entry = self.entry().await?;
        let generation = entry.as_ref().and_then(IdentityDocument::generation_id);
        Ok(!own.made(generation) && generation.and_then(made_at).is_some_and(|made| made < created))
    }

    /// Brings over what the two twins, and what was heard, say.
    async fn bring_over(&mut self, former: Former<'_>, active: &TwinDocument) -> Result<Settled, Stop> {
        let mut merged = self.terms.merged(&self.note, former, active);
        let later = self.terms.reported_later(active, &mut merged, Timestamp::now());
        self.losses.add(self.id, self.terms.epoch, &merged.losses).await?;
        self.write(active, &merged).await?;
        Ok(later.map_or(Settled::Done, Settled::Pending))
    }

    async fn write(&mut self, active: &TwinDocument, merged: &Merge) -> Result<(), Stop> {
        let patch = twin_patch(merged);
        if patch.is_empty() && merged.reported.is_empty() {
            return Ok(());
        }
        let role = self.terms.active;
        self.change(|note| {
            let own = &mut note.slot_mut(role).own;
            own.writing = merged.writes();
            own.will_report_on(active);
        })
        .await?;
        if !patch.is_empty() {
            let twin = match self.work.patch_twin(self.id, &patch, &active.etag).await {
                Ok(twin) => twin,
                Err(stop) => return self.not_written(stop).await,
            };
            let mut wrote = Wrote::default();
            wrote.twin(&patch, &twin);
            self.change(|note| {
                let own = &mut note.slot_mut(role).own;
                own.wrote(&wrote);
                own.brought.fold(TwinWrites { reported: SectionWrites::default(), ..merged.brought.clone() });
            })
            .await?;
        }
        if !merged.reported.is_empty() {
            let version = active.reported.version;
            let version = match self.work.patch_reported(self.id, &merged.reported, version).await {
                Ok(version) => version,
                Err(stop) => return self.not_written(stop).await,
            };
            let wrote = Wrote::of_reported(version);
            self.change(|note| {
                let own = &mut note.slot_mut(role).own;
                own.wrote(&wrote);
                let reported = merged.brought.reported.clone();
                own.brought.fold(TwinWrites { reported, ..TwinWrites::default() });
            })
            .await?;
        }
        Ok(())
    }

    /// What the hub refused was not written; only without an answer it may have been.
    async fn not_written(&self, stop: Stop) -> Result<(), Stop> {
        if !matches!(stop, Stop::At(Outcome::TargetSilent(_))) {
            let role = self.terms.active;
            self.change(|note| note.slot_mut(role).own.writing = Default::default()).await?;
        }
        Err(stop)
    }

    async fn change(&self, mut change: impl FnMut(&mut PendingNote)) -> Result<(), Stop> {
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
    async fn done(&self) -> Result<Settled, Stop> {
        let (former, at, diverged) = (self.terms.former, self.terms.at(), self.terms.diverged.epoch);
        let seen = &self.note.slot(former).newest;
        let changed = self
            .store
            .change(self.id, |before| before.filter(|note| note.is_of(diverged))?.settled(former, seen, at));
        changed.await?;
        Ok(Settled::Done)
    }

    async fn write_down(&mut self, tried: Tried) -> Result<Settled, Stop> {
        let (at, diverged) = (self.terms.at(), self.terms.diverged.epoch);
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

pub(super) fn twin_patch(merged: &Merge) -> Object {
    let mut patch = Object::new();
    if !merged.tags.is_empty() {
        patch.insert("tags".to_owned(), Value::Object(merged.tags.clone()));
    }
    if !merged.desired.is_empty() {
        let desired = [("desired".to_owned(), Value::Object(merged.desired.clone()))];
        patch.insert("properties".to_owned(), Value::Object(desired.into_iter().collect()));
    }
    patch
}

fn status_changed(twin: &TwinDocument) -> Option<Timestamp> {
    twin.other.get("statusUpdateTime").and_then(Value::as_str).and_then(|text| text.parse().ok())
}

/// When an identity of this generation was made, where a generation is a time.
fn made_at(generation: &str) -> Option<Timestamp> {
    let ticks = generation.parse::<i64>().ok()?.checked_sub(TICKS_BEFORE_1970)?;
    Timestamp::from_nanosecond(i128::from(ticks) * 100).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_generation_is_the_time_at_which_it_was_made() {
        assert_eq!(made_at("638912345678901234").unwrap().to_string(), "2025-08-19T21:09:27.8901234Z");
        assert_eq!(made_at("not a number"), None);
    }
}
