//! What a settlement is done by: which hub was active and since when, and what follows from that. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::changed::Listed;
use super::note::{At, PendingNote, Tried};
use super::slot::Heard;
use crate::model::{IdentityId, Object, TwinDocument, TwinWrites, member};
use crate::reconcile::{Cause, Former, Loss, Merge, Reason, Side, merge};
use crate::routing::{Diverged, HubRole, WriteLease};

/// What a settlement is done by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The hub that was active before.
    pub(crate) former: HubRole,
    /// The active hub.
    pub(crate) active: HubRole,
    /// Since when the hubs may differ.
    pub(crate) diverged: Diverged,
    /// By then, devices that follow the router have moved.
    pub(crate) moved_by: Timestamp,
    /// The record's epoch.
    pub(crate) epoch: u64,
    /// The comparison that ends the rejoining goes on: every event from before the two diverged has been delivered.
    pub(crate) closing: bool,
    /// The comparison has ended: nothing is settled any more.
    pub(crate) compared: bool,
}

/// What both hubs' events of one identity say.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Those of the former active hub.
    pub(crate) former: Vec<Heard>,
    /// Those of the active hub.
    pub(crate) active: Vec<Heard>,
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
            moved_by: cut.unwrap_or(diverged.since).saturating_add(moving).unwrap_or(Timestamp::MAX),
            epoch: lease.epoch,
            closing: lease.closing,
            compared: lease.compared,
        })
    }

    /// From when on a member on this hub is a client's own.
    pub(crate) fn since(&self, hub: HubRole) -> Option<Timestamp> {
        (hub != self.diverged.origin).then_some(self.diverged.since)
    }

    /// Where what changed is listed.
    pub(crate) fn list(&self, closing: bool) -> Listed {
        Listed { epoch: self.diverged.epoch, closing, under: self.epoch }
    }

    /// What the former hub's clients said while it was active is in no note, its twin alone shows it; and nobody looks
    /// after the comparison does.
    pub(super) fn needs_the_formers_twin(&self) -> bool {
        self.closing && self.epoch > self.diverged.epoch
    }

    pub(super) fn at(&self) -> At {
        At { now: Timestamp::now(), epoch: self.epoch }
    }

    /// What a note keeps of an event of this hub. Of the active one only what its twin does not show, or what may not have
    /// been copied when the two diverged; and nothing that replication wrote before.
    pub(crate) fn keeps(&self, hub: HubRole, mut heard: Heard) -> Option<Heard> {
        if !heard.is_a_clients(self.since(hub)) {
            return None;
        }
        let is_older = !heard.is_a_clients(Some(self.diverged.since));
        if is_older && self.closing {
            // It is heard for the second time.
            heard.writes = TwinWrites::default();
        } else if !is_older && hub == self.active {
            heard.writes = heard.writes.unseen_in_a_twin();
        }
        let is_lifecycle = heard.created || heard.deleted || heard.lifecycle;
        let says_something = hub == self.former || is_lifecycle || !heard.writes.is_empty();
        says_something.then_some(heard)
    }

    /// All that is said is that a device reported, which is about to move.
    pub(crate) fn is_about_to_move(&self, said: &Said, now: Timestamp) -> bool {
        now < self.moved_by && said.active.is_empty() && said.former.iter().all(Heard::is_reported_only)
    }

    /// The note with what was said.
    pub(crate) fn noted(
        &self,
        id: &IdentityId,
        before: Option<PendingNote>,
        said: &Said,
        at: At,
    ) -> PendingNote {
        let before = before.filter(|note| note.is_of(self.diverged.epoch));
        let is_new = before.is_none();
        let mut note = before.unwrap_or_else(|| PendingNote::blank(id, at));
        said.former.iter().chain(&said.active).for_each(|heard| note.place(&heard.at));
        note.hear(self.former, &said.former, at.now, true);
        note.hear(self.active, &said.active, at.now, false);
        let may_wait = is_new || [Reason::Rejoining, Reason::Moving].contains(&note.reason);
        if may_wait && self.is_about_to_move(said, at.now) {
            let cause = Cause::new(Reason::Moving, "it is about to move, and will report on the active hub");
            note.tried(&Tried { not_before: Some(self.moved_by), ..cause.into() }, at);
        } else if is_new && said.former.is_empty() {
            note.rests(at);
        }
        note
    }

    /// Whether what the active hub's clients say may change what was brought over before.
    pub(crate) fn may_be_undecided(&self, note: &PendingNote) -> bool {
        note.slot(self.former).is_worth_keeping() || !note.slot(self.active).own.is_empty()
    }

    /// What the former hub's clients said, as far as the active one does not have it.
    pub(super) fn merged(&self, note: &PendingNote, former: Former<'_>, active: &TwinDocument) -> Merge {
        let side = |hub| {
            let slot = note.slot(hub);
            let decided = slot.decided.under(self.epoch);
            Side { writes: &slot.writes, own: &slot.own, since: self.since(hub), decided }
        };
        let merged = merge(former, side(self.former), active, side(self.active));
        // What cannot be read is neither gone nor anything else.
        merged.without(former.twin().map_or(&[], |twin| &twin.unreadable))
    }

    /// The active hub, whose twin this is, has what was heard of the former one in `seen`, and what its twin showed, where
    /// that was read. What may still decide between two values is kept; `None` when nothing is.
    pub(super) fn settled(
        &self,
        mut note: PendingNote,
        seen: &PendingNote,
        active: Option<&TwinDocument>,
        former: Option<&TwinDocument>,
        at: At,
    ) -> Option<PendingNote> {
        active.into_iter().for_each(|twin| note.slot_mut(self.active).own.note_report(twin));
        let (slot, seen) = (note.slot_mut(self.former), seen.slot(self.former));
        if slot.newest == seen.newest {
            slot.decided = slot.decided.under(self.epoch);
            slot.decided.settle(&slot.writes, former);
            (slot.deleted, slot.ended) = (None, false);
        }
        (note.primary.is_worth_keeping() || note.secondary.is_worth_keeping()).then(|| {
            note.rests(at);
            note
        })
    }

    /// Whether an operator gave up what the former hub says.
    pub(super) fn is_given_up(&self, note: &PendingNote) -> bool {
        note.slot(self.former).given_up == Some(self.epoch)
    }

    /// Whether the former hub has something that the active one shall get.
    pub(crate) fn has_more(&self, note: &PendingNote, former: &TwinDocument, active: &TwinDocument) -> bool {
        if self.is_given_up(note) {
            return false;
        }
        let mut merged = self.merged(note, Former::Twin(former), active);
        let later = self.reported_later(active, &mut merged, Timestamp::now());
        later.is_some() || !merged.is_empty()
    }

    /// What the former hub has and the active one will not get.
    pub(crate) fn left_behind(
        &self,
        note: &PendingNote,
        former: &TwinDocument,
        active: &TwinDocument,
    ) -> Vec<Loss> {
        self.merged(note, Former::Twin(former), active).given_up(active)
    }

    /// What clients of the active hub wrote after the identity had been deleted on the former one, and goes with it.
    pub(super) fn written_after(
        &self,
        note: &PendingNote,
        deleted: Timestamp,
        active: &TwinDocument,
    ) -> Vec<Loss> {
        let mut note = note.clone();
        note.slot_mut(self.former).lives_since(deleted);
        let merged = self.merged(&note, Former::Silent, active);
        [
            Loss::of_ended("tags", &active.tags, &merged.tags),
            Loss::of_ended("desired", &active.desired.values, &merged.desired),
            Loss::of_ended("reported", &active.reported.values, &merged.reported),
        ]
        .concat()
    }

    /// The same of clients of the former hub, after the identity had been deleted on the active one.
    pub(crate) fn written_there_after(
        &self,
        note: &PendingNote,
        deleted: Timestamp,
        former: &TwinDocument,
    ) -> Vec<Loss> {
        let turned = Self { former: self.active, active: self.former, ..*self };
        let dies = turned.written_after(note, deleted, former).into_iter();
        dies.map(|loss| Loss {
            former_active: loss.active,
            active: Value::Null,
            kept: "active".to_owned(),
            ..loss
        })
        .collect()
    }

    /// What clients of the active hub wrote to what was made there from the former one, whose twin this is.
    pub(super) fn written_to_a_copy(
        &self,
        note: &PendingNote,
        former: &TwinDocument,
        active: &TwinDocument,
    ) -> Vec<Loss> {
        let merged = self.merged(note, Former::Twin(former), active);
        let of = |name, ours: &Object, patch: &Object, theirs: &Object| {
            let mut all = Loss::of_ended(name, ours, patch);
            // What is the former hub's, or would have become so, is no client's of this one.
            all.retain(|loss| {
                member(patch, &loss.path).is_none() && member(theirs, &loss.path) != Some(&loss.active)
            });
            all
        };
        [
            of("tags", &active.tags, &merged.tags, &former.tags),
            of("desired", &active.desired.values, &merged.desired, &former.desired.values),
            of("reported", &active.reported.values, &merged.reported, &former.reported.values),
        ]
        .concat()
    }

    /// Reported properties are the device's: they wait until it has moved, and are left to it once it is connected.
    pub(super) fn reported_later(
        &self,
        active: &TwinDocument,
        merged: &mut Merge,
        now: Timestamp,
    ) -> Option<Tried> {
        if merged.reported.is_empty() {
            return None;
        }
        let cause = if now < self.moved_by {
            Cause::new(Reason::Moving, "it is about to move, and will report on the active hub")
        } else {
            if active.is_connected() || !active.is_enabled() {
                // Nobody but the device may write them now, or nobody at all.
                let left = std::mem::take(&mut merged.reported);
                merged.losses.extend(Loss::of_patch("reported", &left, &active.reported.values));
            }
            return None;
        };
        merged.reported = Object::new();
        merged.losses.retain(|loss| loss.section != "reported");
        Some(Tried { not_before: Some(self.moved_by), ..cause.into() })
    }
}
