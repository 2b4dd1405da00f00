//! Which life of an identity each hub has: who made it, and who deleted it.

use jiff::Timestamp;
use serde_json::Value;

use super::settling::{Settled, Settling};
use crate::iothub::HubErrorKind;
use crate::model::{IdentityDocument, SectionWrites, TwinDocument, made_at};
use crate::reconcile::{Ask, Cause, Look, Loss, Outcome, OwnWrites, Reason, Stop, in_words};

/// Which life of an identity the active hub has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// The one that the former hub has.
    Same,
    /// This program made it again, before it was heard that a client had deleted it.
    OurOwnAfterItsEnd,
    /// A client made it again, then.
    New(Timestamp),
}

impl Settling<'_, '_> {
    /// Created there and not yet here, or deleted here.
    pub(super) async fn only_on_the_former(&mut self, former: &TwinDocument) -> Result<Settled, Stop> {
        if !self.may_create || self.was_deleted_here() || self.former_has_our_copy().await? {
            return Ok(Settled::Done);
        }
        self.intend_to_create().await?;
        let ask = Ask { compare_registry: true, create_only: true, whole: true, ..Ask::default() };
        let mut outcome = Box::pin(self.work.reconcile(self.id, ask)).await;
        if matches!(&outcome, Outcome::Pending(cause) if cause.reason == Reason::Rejected) {
            // Made alone, its twin follows as any change there does. Tags follow what was heard, and nobody may have heard
            // of these.
            let (role, tags) = (self.terms.former, SectionWrites::from_patch(&former.tags, None));
            self.change(|note| {
                let mut all = tags.clone();
                all.fold(std::mem::take(&mut note.slot_mut(role).writes.tags));
                note.slot_mut(role).writes.tags = all;
            })
            .await?;
            outcome = Box::pin(self.work.reconcile(self.id, Ask { whole: false, ..ask })).await;
        }
        // An answer that says that it is there may be of our own create: its keys tell.
        let is_made = match &outcome {
            Outcome::Equal => self.work.has_equal_entries(self.id).await?,
            // It may be there, and one of its modules not.
            outcome => matches!(outcome, Outcome::Written) || self.work.wrote.created,
        };
        if !is_made && !matches!(outcome, Outcome::TargetSilent(_)) {
            let (active, before) = (self.terms.active, self.note.slot(self.terms.active).own.created.clone());
            self.change(|note| note.slot_mut(active).own.created.clone_from(&before)).await?;
        }
        if is_made {
            self.remember_creation().await?;
        }
        match outcome {
            // What a bulk call does not honour is seen by looking again.
            Outcome::Written | Outcome::Equal | Outcome::Absent | Outcome::OnlyOnTarget => Err(Stop::Again),
            Outcome::SourceSilent(error) => Ok(self.waits_for_the_former(in_words(&error))),
            Outcome::Pending(cause) => Ok(cause.into()),
            outcome => Err(Stop::At(outcome)),
        }
    }

    /// Whether a client deleted it on the active hub, after whatever life the former one tells of. What this program
    /// made and is not there any more was deleted, also before that is announced.
    fn was_deleted_here(&self) -> bool {
        let (former, active) = (self.note.slot(self.terms.former), self.note.slot(self.terms.active));
        let last = active.deleted.max(active.own.deleted_for).max(active.own.last_made());
        // Where a client made it anew, the life before was over.
        let last = last.max(active.remade);
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

    /// A client deleted it there, and this program brought it back before that was heard: what is here ends, unless it was
    /// made later.
    pub(super) async fn ends_with_what_was_brought_back(
        &mut self,
        active: &TwinDocument,
    ) -> Result<Option<Settled>, Stop> {
        let former = self.note.slot(self.terms.former);
        let Some(deleted) = former.deleted else { return Ok(None) };
        // Who was about to bring it back has not said which life that is: nobody else copies the keys.
        let is_known = !former.own.made(None);
        let is_ours =
            self.former_has_our_copy().await? && (is_known || self.work.has_equal_entries(self.id).await?);
        if !is_ours || self.has_a_later_life(deleted).await? {
            return Ok(None);
        }
        Box::pin(self.name_what_ends(deleted, active)).await?;
        let role = self.terms.active;
        self.change(|note| note.slot_mut(role).own.deleted_for = Some(deleted)).await?;
        let cause = Box::pin(self.remove(active)).await?;
        cause.map_or(Err(Stop::Again), |cause| Ok(Some(cause.into())))
    }

    /// Deletes it here, so that its deletion is known for this program's.
    pub(super) async fn remove(&mut self, active: &TwinDocument) -> Result<Option<Cause>, Stop> {
        let role = self.terms.active;
        self.change(|note| note.slot_mut(role).own.begin_to_end(Timestamp::now())).await?;
        let removed = Box::pin(self.work.remove(self.id, active, &active.device_etag)).await;
        let (was_deleted, now) = (matches!(removed, Ok(None)), Timestamp::now());
        if !matches!(removed, Err(Stop::At(Outcome::TargetSilent(_)))) {
            self.change(|note| note.slot_mut(role).own.has_ended(now, was_deleted)).await?;
        }
        removed
    }

    /// Whoever hears of a deletion from now on knows that what is there next may be of our own making. One that has been
    /// heard since the note was read is looked at first.
    async fn intend_to_create(&self) -> Result<(), Stop> {
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
        let generation = match self.work.pass.target_identity(self.id).await {
            Look::Present(made) => made.generation_id().map(str::to_owned),
            _ => None,
        };
        let (active, generation) = (self.terms.active, generation.unwrap_or_default());
        self.change(|note| note.slot_mut(active).own.has_made(generation.clone())).await
    }

    /// Deleted there, or never there.
    pub(super) async fn gone_on_the_former(&mut self, active: &TwinDocument) -> Result<Settled, Stop> {
        let former = self.note.slot(self.terms.former);
        let Some(deleted) = former.deleted else { return Ok(Settled::Done) };
        if self.has_a_later_life(deleted).await? {
            let loss = made_again("made again since", Value::Null);
            self.losses.add(self.id, self.terms.epoch, &[loss]).await?;
            return Ok(Settled::Done);
        }
        Box::pin(self.name_what_ends(deleted, active)).await?;
        let role = self.terms.active;
        let before = self.note.slot(role).own.deleted_for;
        self.change(|note| {
            let own = &mut note.slot_mut(role).own;
            own.deleted_for = Some(deleted);
            own.begin_to_end(Timestamp::now());
        })
        .await?;
        let ask = Ask { announced_delete: true, ..Ask::default() };
        let outcome = Box::pin(self.work.reconcile(self.id, ask)).await;
        let (was_deleted, now) = (self.work.has_deleted, Timestamp::now());
        if was_deleted || !matches!(outcome, Outcome::TargetSilent(_)) {
            self.change(|note| {
                let own = &mut note.slot_mut(role).own;
                own.has_ended(now, was_deleted);
                if !was_deleted {
                    // A deletion that is heard here from now on is not this program's.
                    own.deleted_for = before;
                }
            })
            .await?;
        }
        match outcome {
            Outcome::Written | Outcome::Equal | Outcome::Absent | Outcome::OnlyOnTarget => Ok(Settled::Done),
            Outcome::SourceSilent(error) => Ok(self.waits_for_the_former(in_words(&error))),
            Outcome::Pending(cause) => Ok(cause.into()),
            outcome => Err(Stop::At(outcome)),
        }
    }

    /// Whether a client made it again on the active hub since the roles changed.
    async fn has_a_later_life(&mut self, deleted: Timestamp) -> Result<bool, Stop> {
        let active = self.note.slot(self.terms.active);
        let said = active.created.is_some_and(|created| created > deleted);
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
            // Of a disabled device's modules only events tell.
            Look::Unreachable(error) if self.id.module.is_some() && error.kind == HubErrorKind::Denied => {
                Ok(None)
            }
            Look::Unreachable(error) => Err(Stop::target(&error)),
        }
    }

    /// Which life of the identity the active hub has, as far as anything was heard of its end or beginning there.
    pub(super) async fn life_here(&mut self) -> Result<Life, Stop> {
        let (former, active) =
            (self.note.slot(self.terms.former).clone(), self.note.slot(self.terms.active).clone());
        let heard = active.deleted.max(active.created);
        if heard.is_none() || heard <= active.remade {
            return Ok(Life::Same);
        }
        let entry = self.entry().await?;
        let generation = entry.as_ref().and_then(IdentityDocument::generation_id);
        // Who was about to make it and has not said which life that was: nobody else copies the keys.
        let is_our_own = active.own.made(generation)
            && (!active.own.made(None)
                || active.deleted.is_none()
                || self.work.has_equal_entries(self.id).await?);
        if is_our_own {
            let was_before = |end: Timestamp| former.created.is_none_or(|made| made <= end);
            let is_over = active.deleted.is_some_and(was_before);
            return Ok(if is_over { Life::OurOwnAfterItsEnd } else { Life::Same });
        }
        let since = self.terms.since(self.terms.active).unwrap_or(Timestamp::MIN);
        let made = generation.and_then(made_at).or(active.created);
        Ok(made.filter(|made| *made >= since).map_or(Life::Same, Life::New))
    }

    /// Whether the status on the active hub is older than what the former one has.
    pub(super) fn entry_is_the_formers(&self, former: &TwinDocument, active: &TwinDocument) -> bool {
        if former.is_enabled() == active.is_enabled() {
            return false;
        }
        let since = self.terms.since(self.terms.active);
        let (theirs, ours) = (status_changed(former), status_changed(active));
        let ours_is_a_clients = since.is_none_or(|since| ours.is_some_and(|ours| ours >= since));
        !ours_is_a_clients || theirs > ours
    }

    /// When what the former hub has was made, if what is here is of a life before, and its entry was not copied yet.
    pub(super) async fn later_life_there(
        &mut self,
        former: &TwinDocument,
    ) -> Result<Option<Timestamp>, Stop> {
        let Some(created) = self.note.slot(self.terms.former).created else { return Ok(None) };
        let own = self.note.slot(self.terms.active).own.clone();
        if own.entry.as_ref() == Some(&former.device_etag) {
            return Ok(None);
        }
        let entry = self.entry().await?;
        let generation = entry.as_ref().and_then(IdentityDocument::generation_id);
        let is_our_own = own.made(generation);
        // A copy is younger than its original; one that is older is of a life before.
        let is_before = |made: &Timestamp| *made < created && !(is_our_own && own.is_creation(created));
        let Some(made) = generation.and_then(made_at).filter(is_before) else { return Ok(None) };
        if !is_our_own && made >= self.terms.diverged.since {
            // Neither client had seen the other one's.
            let lost =
                Loss { kept: "former-active".to_owned(), ..made_again("made", Value::from("made later")) };
            self.losses.add(self.id, self.terms.epoch, &[lost]).await?;
        }
        Ok(Some(created))
    }
}

/// What the active hub has of an identity itself stands against what the former one said.
fn made_again(active: &str, former_active: Value) -> Loss {
    Loss {
        section: "registry".to_owned(),
        path: Vec::new(),
        active: Value::from(active),
        former_active,
        kept: "active".to_owned(),
    }
}

fn status_changed(twin: &TwinDocument) -> Option<Timestamp> {
    twin.other.get("statusUpdateTime").and_then(Value::as_str).and_then(|text| text.parse().ok())
}

/// Whether somebody else than this program made the identity after `since`, as far as its generation is a time.
pub(crate) fn made_after(entry: &IdentityDocument, own: &OwnWrites, since: Timestamp) -> bool {
    let generation = entry.generation_id();
    !own.made(generation) && generation.and_then(made_at).is_some_and(|made| made > since)
}
