//! Owed identities: one durable note each, until it is right.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::debt::{Debt, Reason};
use crate::model::{IdentityId, TwinChange};
use crate::routing::{HubRole, WriteLease};

/// Where an event stood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Event hub and partition, as `event hub/partition`.
    pub(crate) log: String,
    /// Sequence number, where the host gives one.
    pub(crate) sequence: Option<i64>,
}

impl Position {
    /// Event hub and partition apart.
    pub(crate) fn event_hub_and_partition(&self) -> (&str, &str) {
        self.log.rsplit_once('/').unwrap_or((&self.log, ""))
    }
}

/// This identity is not right yet, why, and since when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwedNote {
    /// The note's own id: the identity, percent-encoded.
    pub id: String,
    /// Which identity.
    pub identity: IdentityId,
    /// Why.
    pub reason: Reason,
    /// In words, without secrets.
    pub detail: String,
    /// When it was first owed.
    pub since: Timestamp,
    /// When it was last tried.
    pub last_tried: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Event hub of the event that left it owed.
    pub event_hub: String,
    /// Partition of that event.
    pub partition: String,
    /// Sequence number of that event.
    pub sequence_number: Option<i64>,
    /// The newest sequence number folded into `change`, per `event hub/partition`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub newest: BTreeMap<String, i64>,
    /// What the events carried while the source could not be read, folded.
    #[serde(default, skip_serializing_if = "TwinChange::is_empty")]
    pub change: TwinChange,
    /// The source said that it was deleted while it could not be read: nothing carried after that
    /// may be applied to what the target still has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// The epoch under which it was owed.
    pub epoch: u64,
    /// The hub that was active then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<HubRole>,
}

/// What became of the backlog that a note stands for, in one work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OwedBacklog {
    /// There was none, or nobody has looked.
    #[default]
    Untouched,
    /// It is durable where backlog is kept, and not with the active hub.
    Folded,
    /// It is with the active hub.
    Settled,
}

/// Under which record something is owed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Era {
    /// Its epoch.
    pub(crate) epoch: u64,
    /// Its active hub.
    pub(crate) active: HubRole,
}

impl From<&WriteLease> for Era {
    fn from(authority: &WriteLease) -> Self {
        Self { epoch: authority.epoch, active: authority.active }
    }
}

impl OwedNote {
    /// A first note.
    pub(crate) fn new(identity: &IdentityId, debt: &Debt, at: &Position, era: Era, now: Timestamp) -> Self {
        let mut note = Self {
            id: note_id(identity),
            identity: identity.clone(),
            reason: debt.reason,
            detail: String::new(),
            since: now,
            last_tried: now,
            attempts: 0,
            event_hub: String::new(),
            partition: String::new(),
            sequence_number: None,
            newest: BTreeMap::new(),
            change: TwinChange::default(),
            deleted: false,
            epoch: era.epoch,
            active: Some(era.active),
        };
        note.owe(debt, at, era, now);
        note
    }

    /// Owed again. Backlog stays backlog until it is settled: under any other reason the next attempt would overwrite
    /// the former active's change with what the active hub has. A change that was carried in the other direction stays
    /// as it is, and is backlog by now.
    pub(crate) fn owe(&mut self, debt: &Debt, at: &Position, era: Era, now: Timestamp) {
        self.last_tried = now;
        self.attempts = self.attempts.saturating_add(1);
        if self.is_of_the_other_direction(era.active) && !self.change.is_empty() {
            self.reason = Reason::Backlog;
            self.detail = "carried while the other hub was active".to_owned();
            return;
        }
        if self.reason != Reason::Backlog || debt.reason == Reason::Backlog {
            self.reason = debt.reason;
            self.detail.clone_from(&debt.detail);
        }
        if !at.log.is_empty() {
            let (event_hub, partition) = at.event_hub_and_partition();
            (self.event_hub, self.partition) = (event_hub.to_owned(), partition.to_owned());
            self.sequence_number = at.sequence;
        }
        if self.is_of_the_other_direction(era.active) {
            self.forget_carried();
            self.newest.clear();
        }
        (self.epoch, self.active) = (era.epoch, Some(era.active));
    }

    /// Whether all that it stands for of a former active hub is durable where backlog is kept.
    pub(crate) fn is_folded(&self, active: HubRole) -> bool {
        self.reason == Reason::Backlog && self.active == Some(active)
    }

    /// What it carries is kept as backlog elsewhere.
    pub(crate) fn forget_folded(&mut self, active: HubRole) {
        if self.is_of_the_other_direction(active) {
            self.forget_carried();
        }
    }

    /// The active hub knows it: from now on it is owed for other reasons.
    pub(crate) fn settle_backlog(&mut self, active: HubRole) {
        self.forget_folded(active);
        self.reason = Reason::NotReached;
    }

    /// Whether it stands for something that the former active hub said and the active one does not know yet: owed as
    /// such, or carried when the other hub was active, and perhaps never applied.
    pub(crate) fn is_backlog(&self, active: HubRole) -> bool {
        self.reason == Reason::Backlog || self.is_of_the_other_direction(active) && !self.change.is_empty()
    }

    /// Whether what it carries came from the hub that is the standby now. A new epoch alone does not
    /// say so: giving a promotion up makes one too.
    pub(crate) fn is_of_the_other_direction(&self, active: HubRole) -> bool {
        self.active.is_some_and(|was| was != active)
    }

    /// Folds what one event of the active hub carried, unless it, or a later one of its partition, is in already.
    pub(crate) fn carry(&mut self, active: HubRole, at: &Position, change: &TwinChange, deleted: bool) {
        if self.is_of_the_other_direction(active) {
            return;
        }
        if let Some(sequence) = at.sequence {
            if self.newest.get(&at.log).is_some_and(|newest| sequence <= *newest) {
                return;
            }
            self.newest.insert(at.log.clone(), sequence);
        }
        if deleted {
            (self.deleted, self.change) = (true, TwinChange::default());
        } else {
            self.change = std::mem::take(&mut self.change).then(change.clone());
        }
    }

    /// The source was read: what was carried while it could not be is of no more use, and would be
    /// older than what was read.
    pub(crate) fn source_was_read(&mut self, active: HubRole) {
        if !self.is_of_the_other_direction(active) {
            self.forget_carried();
        }
    }

    fn forget_carried(&mut self) {
        (self.deleted, self.change) = (false, TwinChange::default());
    }
}

/// The note's id of an identity: one path segment.
pub(crate) fn note_id(identity: &IdentityId) -> String {
    let device = identity.device.path_segment();
    identity.module.as_ref().map_or(device.clone(), |module| format!("{device}%2F{}", module.path_segment()))
}

/// The identity that a note's id stands for.
pub(crate) fn identity_of(id: &str) -> Option<IdentityId> {
    percent_encoding::percent_decode_str(id).decode_utf8().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::{Change, Object};

    fn empty() -> OwedNote {
        let at = Position { log: String::new(), sequence: None };
        let debt = Debt::new(Reason::SourceUnreachable, "");
        let era = Era { epoch: 1, active: HubRole::Primary };
        OwedNote::new(&"d".parse().unwrap(), &debt, &at, era, Timestamp::UNIX_EPOCH)
    }

    fn patch() -> impl Strategy<Value = Object> {
        let leaf = prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::from)];
        let value = leaf.prop_recursive(2, 8, 3, |inner| {
            prop::collection::btree_map("[a-b]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        });
        prop::collection::btree_map("[a-b]", value, 0..3).prop_map(|m| m.into_iter().collect())
    }

    proptest! {
        #[test]
        fn any_events_in_any_batch_cuts_with_any_redelivery_equal_applying_them_one_by_one(
            patches in prop::collection::vec(patch(), 1..8),
            batches in prop::collection::vec((0usize..8, 1usize..8), 1..6),
            document in patch(),
        ) {
            let start = { let mut clean = Object::new(); crate::model::apply(&mut clean, &document); clean };
            let mut note = empty();
            // Each batch begins at or before the first event not yet seen: a checkpoint never skips.
            let mut reached: usize = 0;
            for (back, length) in batches.into_iter().chain([(0, usize::MAX)]) {
                let from = reached.saturating_sub(usize::min(back, reached));
                for (n, patch) in patches.iter().enumerate().skip(from).take(length) {
                    let at = Position { log: "devicetwin/1".to_owned(), sequence: Some(n as i64) };
                    let change = TwinChange { desired: Some(Change::from_patch(patch)), ..Default::default() };
                    note.carry(HubRole::Primary, &at, &change, false);
                    reached = reached.max(n + 1);
                }
            }
            let mut one_by_one = start.clone();
            for patch in &patches {
                crate::model::apply(&mut one_by_one, patch);
            }
            let mut folded = start;
            note.change.desired.as_ref().unwrap().apply_to(&mut folded);
            prop_assert_eq!(folded, one_by_one);
        }
    }

    #[test]
    fn a_note_survives_the_trip_and_its_id_is_one_path_segment() {
        let mut note = empty();
        note.identity = "a%b/m#1".parse().unwrap();
        note.id = note_id(&note.identity);
        note.newest.insert("devicetwin/1".to_owned(), 17);
        note.change.tags = Some(Change::Set(json!({"a": 1})));
        assert_eq!(note.id, "a%25b%2Fm%231");
        assert_eq!(identity_of(&note.id), Some(note.identity.clone()));
        let text = serde_json::to_string(&note).unwrap();
        assert_eq!(serde_json::from_str::<OwedNote>(&text).unwrap(), note, "{text}");
    }

    #[test]
    fn what_was_carried_in_one_direction_is_not_applied_in_the_other() {
        let era = |epoch, active| Era { epoch, active };
        let mut note = empty();
        let at = Position { log: "devicetwin/1".to_owned(), sequence: Some(5) };
        let change = TwinChange { tags: Some(Change::Set(json!({"a": 1}))), ..Default::default() };
        note.carry(HubRole::Primary, &at, &change, false);
        note.owe(
            &Debt::new(Reason::SourceUnreachable, ""),
            &at,
            era(3, HubRole::Primary),
            Timestamp::UNIX_EPOCH,
        );
        assert!(!note.change.is_empty());
        // Another hub is active: it is neither applied nor mixed with what that one says, nor is it lost.
        let (debt, secondary) = (Debt::new(Reason::SourceUnreachable, ""), HubRole::Secondary);
        note.owe(&debt, &at, era(4, secondary), Timestamp::UNIX_EPOCH);
        note.carry(secondary, &Position::default(), &TwinChange::default(), true);
        note.source_was_read(secondary);
        assert!(note.is_backlog(secondary) && !note.change.is_empty() && !note.deleted);
        note.forget_folded(secondary);
        note.owe(&debt, &at, era(4, secondary), Timestamp::UNIX_EPOCH);
        assert!(note.change.is_empty() && note.newest.is_empty() && note.reason == Reason::Backlog);
    }

    #[test]
    fn backlog_stays_backlog_until_it_is_settled() {
        let era = Era { epoch: 2, active: HubRole::Secondary };
        let owe = |note: &mut OwedNote, reason| {
            note.owe(&Debt::new(reason, "why"), &Position::default(), era, Timestamp::UNIX_EPOCH);
        };
        let mut note = empty();
        owe(&mut note, Reason::Backlog);
        owe(&mut note, Reason::SourceUnreachable);
        assert!(note.is_backlog(era.active) && note.attempts == 3);
        note.settle_backlog(era.active);
        owe(&mut note, Reason::SourceUnreachable);
        assert_eq!((note.reason, note.is_backlog(era.active)), (Reason::SourceUnreachable, false));
    }

    #[test]
    fn nothing_carried_before_a_deletion_survives_it() {
        let mut note = empty();
        let at = |n| Position { log: "devicetwin/1".to_owned(), sequence: Some(n) };
        let change = TwinChange { tags: Some(Change::Set(json!({"a": 1}))), ..Default::default() };
        note.carry(HubRole::Primary, &at(1), &change, false);
        note.carry(HubRole::Primary, &at(2), &TwinChange::default(), true);
        assert!(note.deleted && note.change.is_empty());
    }
}
