//! What a former active hub's clients said, brought to the active one.
//!
//! The note comes first: what was heard, what two hubs disagree on, and what is about to be written are durable before
//! the write, and the version that the write returned is kept after it. So whoever settles next, in whichever process,
//! tells the app's own writes from clients'.

mod ended;
mod lifecycle;
mod modules;
mod settling;
mod writing;

use jiff::Timestamp;
use serde_json::Value;

use self::lifecycle::Life;
pub(crate) use self::lifecycle::made_after;
pub(crate) use self::settling::Settled;
use self::settling::Settling;
use super::losses::LossStore;
use super::note::Tried;
use super::store::PendingStore;
use super::terms::Terms;
use crate::iothub::HubErrorKind;
use crate::model::{IdentityId, Object, TwinDocument};
use crate::reconcile::{
    Cause, Former, Look, Loss, Merge, ONCE_MORE, Outcome, RECENT, Reason, Refused, Stop, Work, cause,
    differing_members, in_words, unreadable,
};

/// Rounds of one identity.
const ROUNDS: u32 = 6;

/// Settles one identity, from what its note holds and what both hubs say now. `work` goes from the former hub to the
/// active one. The note says afterwards how it ended. Without an event, or a note, that asks for it (`may_create`) nothing is
/// made on the active hub.
///
/// # Errors
/// When the active hub or storage give no answer, or there is no lease.
pub(crate) async fn settle(
    work: &mut Work<'_>,
    store: &PendingStore,
    losses: &LossStore,
    id: &IdentityId,
    terms: &Terms,
    may_create: bool,
) -> Result<Settled, Outcome> {
    for _ in 0..ROUNDS {
        work.take_place().await;
        let mut settling = Settling::new(&mut *work, store, losses, id, terms, may_create);
        match Box::pin(settling.once()).await {
            Ok(settled) => return Ok(settled),
            Err(Stop::Again) => {}
            Err(Stop::At(Outcome::Pending(cause))) => {
                return settling.write_down(cause.into()).await.map_err(Outcome::from);
            }
            Err(Stop::At(outcome)) => return Err(outcome),
        }
    }
    let mut settling = Settling::new(work, store, losses, id, terms, may_create);
    settling.write_down(Cause::contended().into()).await.map_err(Outcome::from)
}

impl Settling<'_, '_> {
    async fn once(&mut self) -> Result<Settled, Stop> {
        // What is on the active hub has been noted before, and what the former one is heard to say is there.
        let active = self.work.target_or_stop(self.id).await?;
        let noted = self.store.of(self.id).await?;
        if let Some((note, _)) = noted.filter(|(note, _)| note.is_of(self.terms.diverged.epoch)) {
            self.note = note;
        }
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
        if let Some(settled) = Box::pin(self.which_life(active.is_some(), &former)).await? {
            return Box::pin(self.write_down_or_done(settled)).await;
        }
        let given_up = self.terms.is_given_up(&self.note);
        let settled = match (active, former) {
            (active, former) if given_up => Box::pin(self.is_given_up(active, former)).await?,
            (None, Look::Absent) => Box::pin(self.on_neither()).await?,
            (None, Look::Present(former)) => match Box::pin(self.ends_with_its_device()).await? {
                Some(ended) => ended,
                None => Box::pin(self.only_on_the_former(&former)).await?,
            },
            (Some(active), Look::Absent) => Box::pin(self.gone_on_the_former(&active)).await?,
            (Some(active), Look::Present(former)) => Box::pin(self.on_both(&former, &active)).await?,
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
                None => match Box::pin(self.bring_over(Former::Silent, &active, Vec::new())).await? {
                    Settled::Done if self.needs_the_former() => self.waits_for_the_former(in_words(&error)),
                    settled => settled,
                },
            },
        };
        Box::pin(self.write_down_or_done(settled)).await
    }

    async fn write_down_or_done(&mut self, settled: Settled) -> Result<Settled, Stop> {
        match settled {
            Settled::Done => self.done().await,
            Settled::Pending(tried) => self.write_down(tried).await,
        }
    }

    /// Of a lifecycle event that does not say which it was, the hub that told it shows it. What was made moments ago, that hub
    /// may not show yet: nothing is deleted for it before.
    async fn which_life(&self, is_here: bool, former: &Look<TwinDocument>) -> Result<Option<Settled>, Stop> {
        let here = self.note.slot(self.terms.active).lifecycle;
        let there = self.note.slot(self.terms.former).lifecycle;
        let is_there = match former {
            Look::Present(_) => Some(true),
            Look::Absent => Some(false),
            Look::Unreachable(_) => None,
        };
        let soon = there.and_then(|at| at.saturating_add(ONCE_MORE).ok());
        if is_here && is_there == Some(false) && soon.is_some_and(|soon| Timestamp::now() < soon) {
            let cause = Cause::new(Reason::Announced, "looked at once more");
            return Ok(Some(Settled::Pending(Tried { not_before: soon, ..cause.into() })));
        }
        if here.is_none() && (there.is_none() || is_there.is_none()) {
            return Ok(None);
        }
        let (role, former) = (self.terms.active, self.terms.former);
        self.change(|note| {
            note.slot_mut(role).shows_its_life(is_here, false);
            if let Some(is_there) = is_there {
                note.slot_mut(former).shows_its_life(is_there, true);
            }
        })
        .await?;
        Err(Stop::Again)
    }

    fn needs_the_former(&self) -> bool {
        self.terms.needs_the_formers_twin() || self.note.slot(self.terms.former).lifecycle.is_some()
    }

    /// On neither hub. Where it was made or deleted moments ago it is looked at once more: a hub may not show yet what it has
    /// created, and nobody says a second time that it was made, or that what is not shown yet goes again.
    async fn on_neither(&self) -> Result<Settled, Stop> {
        let (former, active) = (self.note.slot(self.terms.former), self.note.slot(self.terms.active));
        let made_here = active.own.last_made();
        let last = former.created.max(former.deleted).max(made_here);
        let now = Timestamp::now();
        let is_recent = last > self.note.looked && last.is_some_and(|last| now.duration_since(last) < RECENT);
        let waits = self.note.reason == Reason::Announced;
        if waits && now >= self.note.next_try {
            // Once is enough: who compares, or tries what is pending, comes by again.
            self.change(|note| note.looked = note.looked.max(last)).await?;
            return Ok(Settled::Done);
        }
        if !is_recent && !waits {
            return Ok(Settled::Done);
        }
        let soon = if waits { Some(self.note.next_try) } else { now.saturating_add(ONCE_MORE).ok() };
        let cause = Cause::new(Reason::Announced, "looked at once more");
        Ok(Settled::Pending(Tried { not_before: soon, ..cause.into() }))
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
                let merged = self.terms.merged(&self.note, Former::Twin(former), active);
                [merged.given_up(active), Loss::of_unreadable(former, active)].concat()
            }
            (_, Look::Unreachable(_)) => Loss::of_writes(&self.note.slot(self.terms.former).open_writes()),
            (_, Look::Absent) => Vec::new(),
        };
        self.losses.add(self.id, self.terms.epoch, &losses).await?;
        Ok(Settled::Done)
    }

    fn heard_former(&self) -> bool {
        let slot = self.note.slot(self.terms.former);
        let active = self.note.slot(self.terms.active);
        let deleted_here = active.deleted.max(active.remade);
        let newer = deleted_here.is_none_or(|deleted| slot.created.is_some_and(|created| created > deleted));
        newer && (slot.created.or(slot.lifecycle).is_some() || !slot.open_writes().is_empty())
    }

    async fn on_both(&mut self, former: &TwinDocument, active: &TwinDocument) -> Result<Settled, Stop> {
        if let Some(ended) = Box::pin(self.ends_with_what_was_brought_back(active)).await? {
            return Ok(ended);
        }
        match self.life_here().await? {
            Life::Same => {}
            Life::OurOwnAfterItsEnd => {
                let deleted = self.note.slot(self.terms.active).deleted.unwrap_or_else(Timestamp::now);
                Box::pin(self.name_what_a_copy_took(deleted, former, active)).await?;
                let cause = Box::pin(self.remove(active)).await?;
                return cause.map_or(Err(Stop::Again), |cause| Ok(cause.into()));
            }
            Life::New(made) => {
                let role = self.terms.active;
                self.change(|note| note.slot_mut(role).begin_anew(made)).await?;
                return Err(Stop::Again);
            }
        }
        let mut refused = Vec::new();
        if let Some(made) = self.later_life_there(former).await? {
            // What is here is of the life before.
            refused = Box::pin(self.work.copy_entry(self.id, active)).await?;
            // Only an enabled device's modules can be listed.
            Box::pin(self.end_modules(made)).await?;
            let role = self.terms.former;
            self.change(|note| note.slot_mut(role).lives_since(made)).await?;
            if refused.is_empty() {
                let (role, entry) = (self.terms.active, former.device_etag.clone());
                self.change(|note| note.slot_mut(role).own.entry = Some(entry.clone())).await?;
                return Err(Stop::Again);
            }
        } else if self.entry_is_the_formers(former, active) {
            refused = Box::pin(self.copy_status(former, active)).await?;
        }
        // Of an entry that is refused, the twin follows all the same.
        Box::pin(self.bring_over(Former::Twin(former), active, refused)).await
    }

    /// Of a registry entry the status alone tells when it was written: all else on the active hub stays, and what the former
    /// one has instead is named. Gives what the active hub refuses.
    async fn copy_status(
        &mut self,
        former: &TwinDocument,
        active: &TwinDocument,
    ) -> Result<Vec<Refused>, Stop> {
        let (theirs, ours) = self.work.both_entries(self.id).await?;
        let differing = differing_members(&theirs, &ours);
        let losses: Vec<Loss> = differing.iter().map(|name| Loss::of_entry(name)).collect();
        self.losses.add(self.id, self.terms.epoch, &losses).await?;
        let refused = self.work.copy_status(self.id, active, &theirs, &ours).await?;
        if !refused.is_empty() {
            return Ok(refused);
        }
        let (role, entry) = (self.terms.active, former.device_etag.clone());
        self.change(|note| note.slot_mut(role).own.status = Some(entry.clone())).await?;
        Err(Stop::Again)
    }

    /// Brings over what the two twins, and what was heard, say.
    async fn bring_over(
        &mut self,
        former: Former<'_>,
        active: &TwinDocument,
        refused: Vec<Refused>,
    ) -> Result<Settled, Stop> {
        let mut merged = self.terms.merged(&self.note, former, active);
        let later = self.terms.reported_later(active, &mut merged, Timestamp::now());
        // What nobody can read here may be what a client wrote last.
        let in_the_way = merged.at(&active.unreadable);
        merged = merged.without(&in_the_way);
        self.losses.add(self.id, self.terms.epoch, &merged.losses).await?;
        let mut written = Box::pin(self.write(active, &merged)).await?;
        written.refused.splice(0..0, refused);
        written.refused.extend(unreadable(&in_the_way));
        if written.reported {
            // Only while nobody has reported since does the twin show when this program did.
            return Err(Stop::Again);
        }
        self.settled = (Some(active.clone()), former.twin().cloned());
        written.refused.extend(former.twin().into_iter().flat_map(|twin| unreadable(&twin.unreadable)));
        if let Some(cause) = cause(&written.refused) {
            return Ok(cause.into());
        }
        Ok(later.map_or(Settled::Done, Settled::Pending))
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
