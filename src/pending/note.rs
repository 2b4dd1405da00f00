//! One identity that is not right yet: why, since when, how often tried, and what each hub said of it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::slot::{Heard, Position, Slot};
use crate::model::IdentityId;
use crate::reconcile::{Cause, Reason};
use crate::routing::HubRole;

/// The first pause between tries; it doubles with each.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The longest pause between tries.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// One identity's note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingNote {
    /// The note's own id: the identity, percent-encoded.
    pub id: String,
    /// Which identity.
    pub identity: IdentityId,
    /// Why.
    pub reason: Reason,
    /// In words, without secrets.
    pub detail: String,
    /// Members that a hub refuses, or that cannot be read, as JSON pointers from the twin's root; `/identity` is its
    /// registry entry. All else is right, unless the detail says more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Since when it is not right.
    pub since: Timestamp,
    /// When it was last tried.
    pub last_tried: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it may be tried again.
    pub next_try: Timestamp,
    /// The hub without which nothing can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<HubRole>,
    /// Event hub of the event that left it pending.
    pub event_hub: String,
    /// Partition of that event.
    pub partition: String,
    /// Sequence number of that event.
    pub sequence_number: Option<i64>,
    /// The epoch under which it was last written.
    pub epoch: u64,
    /// The last creation or deletion for which it was looked at once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) looked: Option<Timestamp>,
    /// What the primary hub said.
    #[serde(default, skip_serializing_if = "Slot::is_empty")]
    pub primary: Box<Slot>,
    /// What the secondary hub said.
    #[serde(default, skip_serializing_if = "Slot::is_empty")]
    pub secondary: Box<Slot>,
}

/// When, and under which record, a note is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    /// The clock.
    pub(crate) now: Timestamp,
    /// The record's epoch.
    pub(crate) epoch: u64,
}

/// How an attempt left an identity.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    /// Why it is not right.
    pub(crate) cause: Cause,
    /// The hub without which nothing can be done.
    pub(crate) waits_for: Option<HubRole>,
    /// When it can be right, where that is known: then, whatever the number of tries.
    pub(crate) not_before: Option<Timestamp>,
}

impl From<Cause> for Tried {
    fn from(cause: Cause) -> Self {
        Self { cause, waits_for: None, not_before: None }
    }
}

impl PendingNote {
    /// A note of which nothing is known yet.
    pub(crate) fn blank(identity: &IdentityId, at: At) -> Self {
        Self {
            id: identity.path_segment(),
            identity: identity.clone(),
            reason: Reason::NotReached,
            detail: String::new(),
            refused: Vec::new(),
            since: at.now,
            last_tried: at.now,
            attempts: 0,
            next_try: at.now,
            waits_for: None,
            event_hub: String::new(),
            partition: String::new(),
            sequence_number: None,
            epoch: at.epoch,
            looked: None,
            primary: Box::default(),
            secondary: Box::default(),
        }
    }

    /// One hub's part.
    pub(crate) fn slot(&self, hub: HubRole) -> &Slot {
        match hub {
            HubRole::Primary => &self.primary,
            HubRole::Secondary => &self.secondary,
        }
    }

    /// One hub's part, to be changed.
    pub(crate) fn slot_mut(&mut self, hub: HubRole) -> &mut Slot {
        match hub {
            HubRole::Primary => &mut self.primary,
            HubRole::Secondary => &mut self.secondary,
        }
    }

    /// Folds what a hub said. An event of our own write says nothing.
    pub(crate) fn hear(&mut self, hub: HubRole, all: &[Heard], now: Timestamp, by_clients: bool) {
        let slot = self.slot_mut(hub);
        for heard in all {
            // A lifecycle event shows the version of the last write, which may be our own.
            let is_lifecycle = heard.created || heard.deleted || heard.lifecycle;
            if is_lifecycle || !slot.own.is_echo(heard.version, heard.reported_version, &heard.writes) {
                slot.fold(heard, now, by_clients);
            }
        }
    }

    /// An attempt did not make it right. Each pause is twice as long as the one before, except where the moment from which
    /// on it can be right is known. An attempt before it was due, for an event, puts nothing off: many events come.
    pub(crate) fn tried(&mut self, tried: &Tried, at: At) {
        let is_early = self.reason.is_trouble() && at.now < self.next_try;
        if !self.reason.is_trouble() {
            self.since = at.now;
            self.attempts = 0;
        }
        (self.reason, self.detail) = (tried.cause.reason, tried.cause.detail.clone());
        self.refused.clone_from(&tried.cause.refused);
        (self.last_tried, self.epoch, self.waits_for) = (at.now, at.epoch, tried.waits_for);
        if let Some(known) = tried.not_before {
            self.next_try = known;
        } else if !is_early {
            let pause = FIRST_PAUSE * 2_i32.saturating_pow(self.attempts.min(10));
            self.attempts = self.attempts.saturating_add(1);
            self.next_try = at.now.saturating_add(pause.min(LONGEST_PAUSE)).unwrap_or(at.now);
        }
    }

    /// It is tried at `by`, if not sooner.
    pub(crate) fn is_due(&mut self, by: Timestamp) {
        self.next_try = self.next_try.min(by);
    }

    /// It is right as far as can be told now, and kept in mind until the rejoining ends.
    pub(crate) fn rests(&mut self, at: At) {
        (self.reason, self.detail) = (Reason::Rejoining, "kept until the rejoining ends".to_owned());
        (self.attempts, self.waits_for, self.epoch) = (0, None, at.epoch);
        self.refused.clear();
        (self.last_tried, self.next_try) = (at.now, Timestamp::MAX);
    }

    /// Unless it was kept for a rejoining that is over, and the hubs diverged again since, in this epoch.
    pub(crate) fn is_of(&self, diverged: u64) -> bool {
        self.reason != Reason::Rejoining || self.epoch >= diverged
    }

    /// It was tried, and is not due yet: not because the time was over, or because somebody else wrote meanwhile.
    pub(crate) fn waits(&self, now: Timestamp) -> bool {
        let may_go_on = [Reason::NotReached, Reason::Contended].contains(&self.reason);
        self.reason.is_trouble() && !may_go_on && now < self.next_try
    }

    /// Kept for a rejoining that is over for whoever finds the standby in sync in this epoch. One that is kept in a later
    /// epoch decides still: it is who finds this that does not know of it yet.
    pub(crate) fn is_of_an_ended_rejoining(&self, epoch: u64) -> bool {
        self.reason == Reason::Rejoining && self.epoch <= epoch
    }

    /// The event that left it so.
    pub(crate) fn place(&mut self, at: &Position) {
        if !at.log.is_empty() {
            let (event_hub, partition) = at.event_hub_and_partition();
            (self.event_hub, self.partition) = (event_hub.to_owned(), partition.to_owned());
            self.sequence_number = at.sequence;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const START: At = At { now: Timestamp::UNIX_EPOCH, epoch: 1 };

    fn after(seconds: i64) -> At {
        At { now: Timestamp::from_second(seconds).unwrap(), ..START }
    }

    #[test]
    fn what_waits_for_a_known_moment_is_tried_then_however_often_it_was_heard_of_before() {
        let mut note = PendingNote::blank(&"d".parse().unwrap(), START);
        let moves = Some(after(8).now);
        let moving = Tried { not_before: moves, ..Cause::new(Reason::Moving, "").into() };
        for second in 0..8 {
            note.tried(&moving, after(second));
            assert_eq!(Some(note.next_try), moves);
        }
        assert_eq!(note.since, START.now);
        note.tried(&Cause::contended().into(), after(8));
        assert_eq!(note.next_try, after(13).now, "and what fails then is a first failure");
    }

    #[test]
    fn each_pause_is_twice_as_long_as_the_one_before_however_many_events_come_meanwhile() {
        let mut note = PendingNote::blank(&"d".parse().unwrap(), START);
        let mut tries = Vec::new();
        for second in 0..40 {
            // An event a second.
            if second >= note.next_try.as_second() {
                tries.push(second);
            }
            note.tried(&Cause::contended().into(), after(second));
        }
        assert_eq!(tries, [0, 5, 15, 35]);
        assert_eq!(note.attempts, 4);
    }
}
