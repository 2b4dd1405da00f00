//! What one hub said of one identity, and what the app wrote there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Revision, TwinDocument, TwinWrites};
use crate::reconcile::{Decided, OwnWrites};

/// Where an event stood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// Event hub and partition, as `event hub/partition`.
    pub log: String,
    /// Sequence number, where the host gives one.
    pub sequence: Option<i64>,
}

impl Position {
    /// Event hub and partition apart.
    pub fn event_hub_and_partition(&self) -> (&str, &str) {
        self.log.rsplit_once('/').unwrap_or((&self.log, ""))
    }
}

/// One event, as far as a note keeps it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// Where it stood.
    pub(crate) at: Position,
    /// When it happened.
    pub(crate) occurred: Option<Timestamp>,
    /// The twin's version after it.
    pub(crate) version: Option<u64>,
    /// The version of its reported properties after it.
    pub(crate) reported_version: Option<u64>,
    /// What it says was written.
    pub(crate) writes: TwinWrites,
    /// It says that the identity was created.
    pub(crate) created: bool,
    /// It says that the identity was deleted.
    pub(crate) deleted: bool,
    /// It says that the identity was created or deleted, and not which of the two.
    pub(crate) lifecycle: bool,
    /// It stands in order with the other events of its identity (a hub's route keeps order, Event Grid does not).
    pub(crate) ordered: bool,
}

/// One hub's part of a note.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Slot {
    /// The newest sequence number folded, per `event hub/partition`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub newest: BTreeMap<String, i64>,
    /// What its events said was written: what could not be brought over when they were heard, and, while a hub is
    /// rejoining, all of it, folded.
    #[serde(skip_serializing_if = "TwinWrites::is_empty")]
    pub writes: TwinWrites,
    /// When it was created, as its events say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was deleted, as its events say; that is the announcement that a delete needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Timestamp>,
    /// When it was created or deleted, as an event says that does not tell which: the hub shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle: Option<Timestamp>,
    /// The deletion stood in order with its other events: nothing said before it holds any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Since when a client's new life of it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remade: Option<Timestamp>,
    /// The record's epoch in which an operator gave up what it says: that is named as lost, and not brought over. What it
    /// took as the active hub since is something else.
    #[serde(rename = "givenUpIn", skip_serializing_if = "Option::is_none")]
    pub given_up: Option<u64>,
    /// The app's own writes to this hub since the two diverged.
    #[serde(skip_serializing_if = "OwnWrites::is_empty")]
    pub own: OwnWrites,
    /// Up to when what it said has been settled.
    #[serde(skip_serializing_if = "Decided::is_empty")]
    pub(crate) decided: Decided,
    /// Of the other hub, when something was last folded here: when it has moved since, that has been overtaken by a write
    /// of the whole twin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) basis: Option<Revision>,
}

impl Heard {
    /// As far as a client of the hub can have caused it: what happened before `since` was replication.
    pub(crate) fn is_a_clients(&self, since: Option<Timestamp>) -> bool {
        since.is_none_or(|since| self.occurred.is_none_or(|occurred| occurred >= since))
    }

    /// Whether all it says is that the device reported.
    pub(crate) fn is_reported_only(&self) -> bool {
        !self.created
            && !self.deleted
            && !self.lifecycle
            && self.writes.tags.is_empty()
            && self.writes.desired.is_empty()
            && !self.writes.reported.is_empty()
    }
}

impl Slot {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it may still decide between two values: more than where the hub's events stood.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        !self.writes.is_empty()
            || !self.own.is_empty()
            || !self.decided.is_empty()
            || self.created.is_some()
            || self.deleted.is_some()
            || self.lifecycle.is_some()
            || self.remade.is_some()
            || self.given_up.is_some()
    }

    /// What its events said that is neither on the other hub nor has yielded to what is there.
    pub(crate) fn open_writes(&self) -> TwinWrites {
        self.decided.open(&self.writes)
    }

    /// Folds one event, unless it, or a later one of its partition, is in already. Where not only clients make
    /// identities (`by_clients`), a creation does not take an announced deletion back: it may be the app's own.
    pub(crate) fn fold(&mut self, heard: &Heard, now: Timestamp, by_clients: bool) {
        if let Some(sequence) = heard.at.sequence {
            if self.newest.get(&heard.at.log).is_some_and(|newest| sequence <= *newest) {
                return;
            }
            self.newest.insert(heard.at.log.clone(), sequence);
        }
        let at = heard.occurred.unwrap_or(now);
        // The end of a life before the one that is known says nothing of this one.
        if heard.deleted && self.remade.is_none_or(|remade| remade < at) {
            let is_a_clients = !self.own.is_deletion(at);
            if is_a_clients {
                self.deleted = self.deleted.max(Some(at));
            }
            if heard.ordered {
                self.ended |= is_a_clients;
                self.writes.forget_before(at);
            }
        }
        if heard.lifecycle {
            self.lifecycle = self.lifecycle.max(Some(at));
        }
        // What this program made itself is no life of its own.
        if heard.created && !self.own.is_creation(at) {
            self.created = self.created.max(Some(at));
            if heard.ordered && by_clients && self.deleted.is_some_and(|deleted| deleted <= at) {
                (self.deleted, self.ended) = (None, false);
            }
        }
        self.decided.hear(&heard.writes);
        self.own.hear(heard.version, &heard.writes);
        self.writes.fold(heard.writes.clone());
    }

    /// Where it was created or deleted, it was the one if it is there now, and else the other.
    pub(crate) fn shows_its_life(&mut self, is_there: bool, by_clients: bool) {
        let Some(at) = self.lifecycle.take() else { return };
        let heard = Heard {
            occurred: Some(at),
            created: is_there,
            deleted: !is_there,
            ordered: true,
            ..Heard::default()
        };
        self.fold(&heard, at, by_clients);
    }

    /// What this hub has was made then: what the other one has of a life before is gone here.
    pub(crate) fn lives_since(&mut self, made: Timestamp) {
        let before = self.writes.clone();
        self.writes.begin_anew(made);
        if self.writes != before {
            self.decided = Decided::default();
        }
    }

    /// A client made the identity again: what was said before does not hold any more.
    pub(crate) fn begin_anew(&mut self, made: Timestamp) {
        self.writes.begin_anew(made);
        self.own.begin_anew();
        self.remade = self.remade.max(Some(made)).max(self.created).max(self.deleted);
        self.lifecycle = self.lifecycle.filter(|at| *at > made);
        if self.deleted.is_some_and(|deleted| deleted <= made) {
            (self.deleted, self.ended) = (None, false);
        }
    }

    /// What was folded before the target moved to where it stands now has been overtaken.
    pub(crate) fn drop_overtaken(&mut self, target: Option<&TwinDocument>) {
        let now = target.map(Revision::from);
        let Some(before) = &self.basis else { return };
        if now.as_ref().is_none_or(|now| now.etag != before.etag) {
            (self.writes.tags, self.writes.desired) = Default::default();
        }
        if now.as_ref().is_none_or(|now| now.reported != before.reported) {
            self.writes.reported = Default::default();
        }
        if now.is_some_and(|now| now.device_etag != before.device_etag) {
            (self.deleted, self.ended) = (None, false);
        }
    }

    /// All that `seen` holds has been copied since.
    pub(crate) fn drop_copied(&mut self, seen: &Self) {
        if self.newest == seen.newest {
            self.writes = TwinWrites::default();
        }
    }

    /// Where the target stands now.
    pub(crate) fn stands_on(&mut self, target: Option<&TwinDocument>) {
        self.basis = target.map(Revision::from);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::model::{Object, SectionWrites, apply};

    fn patch() -> impl Strategy<Value = Object> {
        let leaf = prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::from)];
        let value = leaf.prop_recursive(2, 8, 3, |inner| {
            prop::collection::btree_map("[a-b]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        });
        prop::collection::btree_map("[a-b]", value, 0..3).prop_map(|members| members.into_iter().collect())
    }

    #[test]
    fn what_this_program_made_and_deleted_itself_is_no_clients_doing() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let heard = |created: bool, at: &str| Heard {
            created,
            deleted: !created,
            occurred: Some(time(at)),
            ordered: true,
            ..Heard::default()
        };
        let (now, mut slot) = (time("2026-11-30T17:00:00Z"), Slot::default());
        // It was made at 16:47:22.59.
        slot.own.has_made("639316540425901664".to_owned());
        slot.fold(&heard(true, "2026-11-30T16:47:22.7Z"), now, false);
        assert_eq!(slot.created, None);
        slot.own.begin_to_end(time("2026-11-30T16:48:00Z"));
        slot.fold(&heard(false, "2026-11-30T16:48:03Z"), now, true);
        slot.own.has_ended(time("2026-11-30T16:48:03Z"), true);
        slot.fold(&heard(false, "2026-11-30T16:48:03Z"), now, true);
        assert_eq!((slot.deleted, slot.ended), (None, false));
        slot.fold(&heard(true, "2026-11-30T16:49:00Z"), now, true);
        slot.fold(&heard(false, "2026-11-30T16:49:10Z"), now, true);
        assert_eq!(slot.created, Some(time("2026-11-30T16:49:00Z")));
        assert_eq!(slot.deleted, Some(time("2026-11-30T16:49:10Z")));
    }

    proptest! {
        #[test]
        fn any_events_in_any_batch_cuts_with_any_redelivery_equal_applying_them_one_by_one(
            patches in prop::collection::vec(patch(), 1..8),
            batches in prop::collection::vec((0usize..8, 1usize..8), 1..6),
            document in patch(),
        ) {
            let start = { let mut clean = Object::new(); apply(&mut clean, &document); clean };
            let (mut slot, mut reached) = (Slot::default(), 0usize);
            // Each batch begins at or before the first event not yet seen: a checkpoint never skips.
            for (back, length) in batches.into_iter().chain([(0, usize::MAX)]) {
                let from = reached.saturating_sub(back);
                for (n, patch) in patches.iter().enumerate().skip(from).take(length) {
                    let at = Position { log: "devicetwin/1".to_owned(), sequence: Some(n as i64) };
                    let desired = SectionWrites::from_patch(patch, None);
                    let writes = TwinWrites { desired, ..TwinWrites::default() };
                    let heard = Heard { at, writes, ordered: true, ..Heard::default() };
                    slot.fold(&heard, Timestamp::UNIX_EPOCH, true);
                    reached = reached.max(n + 1);
                }
            }
            let (mut one_by_one, mut folded) = (start.clone(), start);
            patches.iter().for_each(|patch| apply(&mut one_by_one, patch));
            slot.writes.desired.apply_to(&mut folded);
            prop_assert_eq!(folded, one_by_one);
        }
    }
}
