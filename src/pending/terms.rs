//! What a settlement is done by: which hub was active and since when, and what follows from that. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::note::{At, PendingNote, Tried};
use super::slot::Heard;
use crate::model::{Object, TwinDocument};
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

    pub(super) fn at(&self) -> At {
        At { now: Timestamp::now(), epoch: self.epoch }
    }

    /// What a note keeps of an event of this hub. Of the active one only what its twin does not show; and nothing that
    /// replication wrote before the roles changed.
    pub(crate) fn keeps(&self, hub: HubRole, mut heard: Heard) -> Option<Heard> {
        if hub == self.former {
            return Some(heard);
        }
        heard.writes = heard.writes.unseen_in_a_twin();
        let says_something = heard.created || heard.deleted || !heard.writes.is_empty();
        (says_something && heard.is_a_clients(self.since(self.active))).then_some(heard)
    }

    /// What the former hub's clients said, as far as the active one does not have it.
    pub(super) fn merged(&self, note: &PendingNote, former: Former<'_>, active: &TwinDocument) -> Merge {
        let side = |hub| {
            let slot = note.slot(hub);
            Side { writes: &slot.writes, own: &slot.own, since: self.since(hub) }
        };
        merge(former, side(self.former), active, side(self.active), self.cut)
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
                merged.losses.extend(left_to_the_device(std::mem::take(&mut merged.reported), active));
            }
            return None;
        };
        merged.reported = Object::new();
        merged.losses.retain(|loss| loss.section != "reported");
        Some(Tried { not_before: Some(self.moved_by), ..cause.into() })
    }
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
