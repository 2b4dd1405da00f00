//! What a former active hub's clients said, brought to the active one.
//!
//! The note comes first: what was heard, what two hubs disagree on, and what is about to be written are durable before
//! the write, and the version that the write returned is kept after it. So whoever settles next, in whichever process,
//! tells the app's own writes from clients'.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::losses::LossStore;
use super::note::{At, PendingNote, Tried};
use super::store::PendingStore;
use crate::iothub::HubErrorKind;
use crate::model::{IdentityDocument, IdentityId, Object, SectionWrites, TwinDocument};
use crate::reconcile::{
    Ask, Cause, Former, Look, Loss, Merge, Outcome, Reason, Side, Stop, Work, in_words, merge,
};
use crate::routing::{Diverged, HubRole, WriteLease};

/// Rounds of one identity.
const ROUNDS: u32 = 6;

/// Ticks of 100 ns from the year 1 to 1970: a generation is a time counted so (observed).
const TICKS_BEFORE_1970: i64 = 621_355_968_000_000_000;

/// What a settlement is done by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The hub that was active before.
    pub(crate) former: HubRole,
    /// The active hub.
    pub(crate) active: HubRole,
    /// Since when the hubs may differ.
    pub(crate) diverged: Diverged,
    /// When the roles began to change the last time.
    pub(crate) cut: Option<Timestamp>,
    /// By then, devices that follow the router have moved.
    pub(crate) moved_by: Timestamp,
    /// The record's epoch.
    pub(crate) epoch: u64,
}

impl Terms {
    /// Under this lease, with devices that ask the router every `valid_for`; `None` while the standby is in sync.
    pub(crate) fn under(lease: &WriteLease, valid_for: Duration) -> Option<Self> {
        let (diverged, cut) = (lease.diverged?, lease.cut);
        let moving = lease.length * 2 + valid_for;
        Some(Self {
            former: lease.active.other(),
            active: lease.active,
            diverged,
            cut,
            moved_by: cut.unwrap_or(diverged.since).saturating_add(moving).unwrap_or(Timestamp::MAX),
            epoch: lease.epoch,
        })
    }

    /// From when on a member on this hub is a client's own.
    pub(crate) fn since(&self, hub: HubRole) -> Option<Timestamp> {
        (hub != self.diverged.origin).then_some(self.diverged.since)
    }

    fn at(&self) -> At {
        At { now: Timestamp::now(), epoch: self.epoch }
    }
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
        if let Some((note, _)) = self.store.of(self.id).await? {
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
        let settled = match (active, former) {
            (None, Look::Absent) => Settled::Done,
            (None, Look::Present(_)) => self.only_on_the_former().await?,
            (Some(active), Look::Absent) => self.gone_on_the_former(&active).await?,
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
        if self.was_deleted_here() {
            return Ok(Settled::Done);
        }
        let ask = Ask { compare_registry: true, create_only: true, ..Ask::default() };
        let outcome = Box::pin(self.work.reconcile(self.id, ask)).await;
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
        let is_older = |here: Timestamp| former.created.is_none_or(|created| created <= here);
        active.deleted.max(made_here).is_some_and(is_older)
    }

    async fn remember_creation(&mut self) -> Result<(), Stop> {
        if self.id.module.is_some() {
            return Ok(());
        }
        let generation = match self.work.pass.target_identity(self.id).await {
            Look::Present(made) => made.generation_id().map(str::to_owned),
            _ => None,
        };
        let active = self.terms.active;
        self.change(|note| note.slot_mut(active).own.created.clone_from(&generation)).await
    }

    /// Deleted there, or never there.
    async fn gone_on_the_former(&mut self, active: &TwinDocument) -> Result<Settled, Stop> {
        let Some(deleted) = self.note.slot(self.terms.former).deleted else { return Ok(Settled::Done) };
        if self.has_a_later_life(deleted).await? {
            let loss = self.lost_deletion();
            self.losses.add(self.id, self.terms.epoch, &[loss]).await?;
            return Ok(Settled::Done);
        }
        let _ = active;
        let ask = Ask { announced_delete: true, ..Ask::default() };
        match Box::pin(self.work.reconcile(self.id, ask)).await {
            Outcome::Written | Outcome::Equal | Outcome::Absent | Outcome::OnlyOnTarget => Ok(Settled::Done),
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
        if self.note.slot(self.terms.active).own.created.as_deref() == Some(generation) {
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
        if let Some(deleted) = self.note.slot(self.terms.active).deleted {
            if self.is_of_our_making(deleted).await? {
                let cause = self.work.remove(self.id, active, &active.device_etag).await?;
                return cause.map_or(Err(Stop::Again), |cause| Ok(cause.into()));
            }
            // A client made it again, or it is of a later life of the former hub.
            let role = self.terms.active;
            self.change(|note| note.slot_mut(role).deleted = None).await?;
        }
        if self.entry_is_the_formers(former, active).await? {
            self.work.copy_entry(self.id, active).await?;
            let former_role = self.terms.former;
            self.change(|note| note.slot_mut(former_role).created = None).await?;
            return Err(Stop::Again);
        }
        self.bring_over(Former::Twin(former), active).await
    }

    /// The active hub's clients deleted it, and this program made it again before that was heard.
    async fn is_of_our_making(&mut self, deleted: Timestamp) -> Result<bool, Stop> {
        let (former, active) = (self.note.slot(self.terms.former), self.note.slot(self.terms.active));
        if active.own.created.is_none() || former.created.is_some_and(|created| created > deleted) {
            return Ok(false);
        }
        let made = active.own.created.clone();
        let entry = self.entry().await?;
        Ok(entry.as_ref().and_then(IdentityDocument::generation_id) == made.as_deref())
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
        let own = self.note.slot(self.terms.active).own.created.clone();
        let entry = self.entry().await?;
        let generation = entry.as_ref().and_then(IdentityDocument::generation_id);
        let is_own = own.is_some() && own.as_deref() == generation;
        Ok(!is_own && generation.and_then(made_at).is_some_and(|made| made < created))
    }

    /// Brings over what the two twins, and what was heard, say.
    async fn bring_over(&mut self, former: Former<'_>, active: &TwinDocument) -> Result<Settled, Stop> {
        let (theirs, ours) = (self.note.slot(self.terms.former), self.note.slot(self.terms.active));
        let former_side =
            Side { writes: &theirs.writes, own: &theirs.own, since: self.terms.since(self.terms.former) };
        let active_side =
            Side { writes: &ours.writes, own: &ours.own, since: self.terms.since(self.terms.active) };
        let mut merged = merge(former, former_side, active, active_side, self.terms.cut);
        let later = self.reported_later(active, &mut merged);
        self.losses.add(self.id, self.terms.epoch, &merged.losses).await?;
        self.write(active, &merged).await?;
        Ok(later.map_or(Settled::Done, Settled::Pending))
    }

    /// Reported properties are the device's: they wait until it has moved, and are left to it once it is connected.
    fn reported_later(&self, active: &TwinDocument, merged: &mut Merge) -> Option<Tried> {
        if merged.reported.is_empty() {
            return None;
        }
        let cause = if Timestamp::now() < self.terms.moved_by {
            Cause::new(Reason::Moving, "it is about to move, and will report on the active hub")
        } else if active.is_connected() {
            merged.losses.extend(left_to_the_device(std::mem::take(&mut merged.reported), active));
            return None;
        } else if !active.is_enabled() {
            Cause::new(Reason::Disabled, "a disabled device cannot connect, so reported cannot be written")
        } else {
            return None;
        };
        merged.reported = Object::new();
        merged.losses.retain(|loss| loss.section != "reported");
        let not_before = (cause.reason == Reason::Moving).then_some(self.terms.moved_by);
        Some(Tried { not_before, ..cause.into() })
    }

    async fn write(&mut self, active: &TwinDocument, merged: &Merge) -> Result<(), Stop> {
        let patch = twin_patch(merged);
        if patch.is_empty() && merged.reported.is_empty() {
            return Ok(());
        }
        let role = self.terms.active;
        self.change(|note| {
            let writing = &mut note.slot_mut(role).own.writing;
            writing.tags = SectionWrites::from_patch(&merged.tags, None);
            writing.desired = SectionWrites::from_patch(&merged.desired, None);
            writing.reported = SectionWrites::from_patch(&merged.reported, None);
        })
        .await?;
        if !patch.is_empty() {
            let twin = self.work.patch_twin(self.id, &patch, &active.etag).await?;
            self.change(|note| note.slot_mut(role).own.wrote_twin(twin.version, twin.desired.version))
                .await?;
        }
        if !merged.reported.is_empty() {
            let version = active.reported.version;
            let version = self.work.patch_reported(self.id, &merged.reported, version).await?;
            self.change(|note| note.slot_mut(role).own.wrote_reported(version)).await?;
        }
        Ok(())
    }

    async fn change(&self, change: impl Fn(&mut PendingNote)) -> Result<(), Stop> {
        let at = self.terms.at();
        let changed = self.store.change(self.id, |before| {
            let mut note = before.unwrap_or_else(|| {
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
        let (former, at) = (self.terms.former, self.terms.at());
        let seen = &self.note.slot(former).newest;
        let changed = self.store.change(self.id, |before| {
            let mut note = before?;
            let slot = note.slot_mut(former);
            if slot.newest == *seen {
                (slot.writes.desired, slot.writes.reported) = Default::default();
                slot.deleted = None;
            }
            if note.primary.is_worth_keeping() || note.secondary.is_worth_keeping() {
                note.rests(at);
                return Some(note);
            }
            None
        });
        changed.await?;
        Ok(Settled::Done)
    }

    async fn write_down(&mut self, tried: Tried) -> Result<Settled, Stop> {
        let at = self.terms.at();
        let changed = self.store.change(self.id, |before| {
            let mut note = before.unwrap_or_else(|| PendingNote::blank(self.id, at));
            note.tried(&tried, at);
            Some(note)
        });
        changed.await?;
        Ok(Settled::Pending(tried))
    }
}

fn twin_patch(merged: &Merge) -> Object {
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

fn left_to_the_device(reported: Object, active: &TwinDocument) -> Vec<Loss> {
    let loss = |(name, value): (String, Value)| Loss {
        section: "reported".to_owned(),
        active: active.reported.values.get(&name).cloned().unwrap_or_default(),
        path: vec![name],
        former_active: value,
        kept: "active".to_owned(),
    };
    reported.into_iter().map(loss).collect()
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
