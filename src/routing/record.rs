//! The routing record: one document that says which hub is active. Pure: no I/O, no clock.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{HubRole, StandbyState};
use crate::model::Object;

/// Where a promotion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is under way: reading this gives authority.
    Steady,
    /// Leases run out; nobody gets authority.
    Promoting,
}

/// Whether the app may promote by itself (its place; nothing does so yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Automation {
    /// It may.
    On,
    /// An operator has switched it off.
    Paused,
}

/// What a promotion leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionKind {
    /// Both hubs were up and equal: the other hub stays in sync.
    Planned,
    /// The active hub was taken for lost: the other hub is rejoining.
    Forced,
}

/// The promotion under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Promotion {
    /// The hub that is to become active.
    pub to: HubRole,
    /// What it leaves behind.
    pub kind: PromotionKind,
}

/// Who writes, why, when, and a number to recognise one's own write by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorship {
    /// A person or a process.
    pub by: String,
    /// In words.
    pub reason: String,
    /// The writer's clock; informative only.
    pub at: Timestamp,
    /// Different for every write.
    pub nonce: String,
}

/// The routing record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutingRecord {
    /// Fencing token: grows with every promotion and every abort.
    pub epoch: u64,
    /// The active hub; while promoting still the old one.
    pub active: HubRole,
    /// The other one.
    pub standby: HubRole,
    /// Steady or promoting.
    pub phase: Phase,
    /// The standby's state.
    pub standby_state: StandbyState,
    /// Storage's time of the last promotion; epoch 1 has none.
    pub cut: Option<Timestamp>,
    /// How long authority lasts after a read, in seconds. No promotion changes it.
    pub lease_seconds: u32,
    /// Whether the app may promote by itself.
    #[serde(default = "paused")]
    pub automation: Automation,
    /// Devices that are kept on one hub (their place).
    #[serde(default)]
    pub pins: Vec<Value>,
    /// A rehearsal (its place).
    #[serde(default)]
    pub drill: Option<Value>,
    /// While promoting: to where, and how.
    #[serde(default)]
    pub promotion: Option<Promotion>,
    /// Who wrote this.
    pub changed_by: String,
    /// When, on the writer's clock.
    pub changed_at: Timestamp,
    /// Why.
    pub reason: String,
    /// This write's own number.
    pub nonce: String,
    /// Members that this program does not know: they survive a rewrite.
    #[serde(skip)]
    pub other: Object,
}

fn paused() -> Automation {
    Automation::Paused
}

/// Why a step cannot be taken from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransitionError {
    /// That hub is active already.
    AlreadyActive,
    /// A promotion to this hub is under way.
    AlreadyPromoting(HubRole),
    /// No promotion is under way.
    NotPromoting,
    /// A planned promotion needs a standby in sync.
    StandbyRejoining,
}

impl fmt::Display for TransitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyActive => write!(f, "that hub is active already"),
            Self::AlreadyPromoting(to) => write!(f, "a promotion to {to} is under way"),
            Self::NotPromoting => write!(f, "no promotion is under way"),
            Self::StandbyRejoining => write!(
                f,
                "the standby is rejoining: it has missed changes since it was lost, and nothing has brought it \
                 back yet; --force promotes it all the same and loses those changes"
            ),
        }
    }
}

impl std::error::Error for TransitionError {}

impl RoutingRecord {
    /// The first record of all, or one that follows a record that was lost.
    pub fn genesis(epoch: u64, active: HubRole, lease: Duration, authorship: Authorship) -> Self {
        Self {
            epoch,
            active,
            standby: active.other(),
            phase: Phase::Steady,
            standby_state: StandbyState::InSync,
            cut: None,
            lease_seconds: u32::try_from(lease.as_secs()).unwrap_or(u32::MAX).max(1),
            automation: Automation::Paused,
            pins: Vec::new(),
            drill: None,
            promotion: None,
            changed_by: authorship.by,
            changed_at: authorship.at,
            reason: authorship.reason,
            nonce: authorship.nonce,
            other: Object::new(),
        }
    }

    /// How long authority lasts after a read.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(u64::from(self.lease_seconds))
    }

    /// The last epoch in which a hub was active for devices: while promoting, the one before.
    pub fn serving_epoch(&self) -> u64 {
        match self.phase {
            Phase::Steady => self.epoch,
            Phase::Promoting => self.epoch.saturating_sub(1),
        }
    }

    /// Reads the document; refuses one that contradicts itself.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let mut members: Object = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut record: Self =
            serde_json::from_value(Value::Object(members.clone())).map_err(|error| error.to_string())?;
        for known in record.known()?.keys() {
            members.remove(known);
        }
        record.other = members;
        record.consistent().map(|()| record).map_err(str::to_owned)
    }

    /// The document, members that this program does not know included.
    pub fn to_json(&self) -> Result<Vec<u8>, String> {
        let mut members = self.other.clone();
        members.extend(self.known()?);
        serde_json::to_vec_pretty(&members).map_err(|error| error.to_string())
    }

    fn known(&self) -> Result<Object, String> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err("a record is an object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn consistent(&self) -> Result<(), &'static str> {
        match (self.phase, self.promotion) {
            _ if self.epoch == 0 => Err("epochs begin at 1"),
            _ if self.active == self.standby => Err("active and standby are the same hub"),
            _ if self.lease_seconds == 0 => Err("leaseSeconds is 0"),
            (Phase::Promoting, None) => Err("promoting, but to which hub is not said"),
            (Phase::Promoting, Some(promotion)) if promotion.to == self.active => {
                Err("promoting the hub that is active")
            }
            _ => Ok(()),
        }
    }

    fn signed(mut self, authorship: Authorship) -> Self {
        self.changed_by = authorship.by;
        self.changed_at = authorship.at;
        self.reason = authorship.reason;
        self.nonce = authorship.nonce;
        self
    }
}

/// The first step: a new epoch in which nobody has authority yet; roles as before.
pub fn begin_promotion(
    record: &RoutingRecord,
    promotion: Promotion,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    match (record.phase, record.promotion) {
        (Phase::Promoting, Some(under_way)) => Err(TransitionError::AlreadyPromoting(under_way.to)),
        _ if record.active == promotion.to => Err(TransitionError::AlreadyActive),
        _ if promotion.kind == PromotionKind::Planned && record.standby_state == StandbyState::Rejoining => {
            Err(TransitionError::StandbyRejoining)
        }
        _ => Ok(RoutingRecord {
            epoch: record.epoch + 1,
            phase: Phase::Promoting,
            promotion: Some(promotion),
            ..record.clone()
        }
        .signed(authorship)),
    }
}

/// The second step, after every lease has run out: roles swapped. `cut` is storage's time of the
/// first step.
pub fn finish(
    record: &RoutingRecord,
    cut: Timestamp,
    authorship: Authorship,
) -> Result<RoutingRecord, TransitionError> {
    let promotion = under_way(record)?;
    let standby_state = match promotion.kind {
        PromotionKind::Planned => StandbyState::InSync,
        PromotionKind::Forced => StandbyState::Rejoining,
    };
    Ok(RoutingRecord {
        active: promotion.to,
        standby: promotion.to.other(),
        phase: Phase::Steady,
        standby_state,
        cut: Some(cut),
        promotion: None,
        ..record.clone()
    }
    .signed(authorship))
}

/// Gives a promotion up: the old roles, in a new epoch. Safe at any time, because the direction of
/// writes stays what every lease still running says.
pub fn abort(record: &RoutingRecord, authorship: Authorship) -> Result<RoutingRecord, TransitionError> {
    under_way(record)?;
    Ok(RoutingRecord { epoch: record.epoch + 1, phase: Phase::Steady, promotion: None, ..record.clone() }
        .signed(authorship))
}

fn under_way(record: &RoutingRecord) -> Result<Promotion, TransitionError> {
    match (record.phase, record.promotion) {
        (Phase::Promoting, Some(promotion)) => Ok(promotion),
        _ => Err(TransitionError::NotPromoting),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn by(nonce: &str) -> Authorship {
        Authorship { by: "me".into(), reason: "why".into(), at: Timestamp::UNIX_EPOCH, nonce: nonce.into() }
    }

    fn first() -> RoutingRecord {
        RoutingRecord::genesis(1, HubRole::Primary, Duration::from_secs(15), by("1"))
    }

    fn to_secondary(kind: PromotionKind) -> Promotion {
        Promotion { to: HubRole::Secondary, kind }
    }

    #[test]
    fn a_planned_promotion_swaps_the_roles_and_leaves_the_other_hub_in_sync() {
        let begun = begin_promotion(&first(), to_secondary(PromotionKind::Planned), by("2")).unwrap();
        assert_eq!((begun.epoch, begun.active, begun.serving_epoch()), (2, HubRole::Primary, 1));
        let cut = "2026-01-01T00:00:00Z".parse().unwrap();
        let done = finish(&begun, cut, by("3")).unwrap();
        assert_eq!((done.epoch, done.active, done.standby), (2, HubRole::Secondary, HubRole::Primary));
        assert_eq!(
            (done.phase, done.standby_state, done.cut),
            (Phase::Steady, StandbyState::InSync, Some(cut))
        );
        assert_eq!(done.promotion, None);
    }

    #[test]
    fn a_forced_promotion_leaves_the_other_hub_rejoining_and_only_force_goes_back_to_it() {
        let begun = begin_promotion(&first(), to_secondary(PromotionKind::Forced), by("2")).unwrap();
        let done = finish(&begun, Timestamp::UNIX_EPOCH, by("3")).unwrap();
        assert_eq!(done.standby_state, StandbyState::Rejoining);
        let back = |kind| begin_promotion(&done, Promotion { to: HubRole::Primary, kind }, by("4"));
        assert_eq!(back(PromotionKind::Planned), Err(TransitionError::StandbyRejoining));
        assert_eq!(back(PromotionKind::Forced).unwrap().epoch, 3);
    }

    #[test]
    fn an_aborted_promotion_has_used_up_its_epoch() {
        let begun = begin_promotion(&first(), to_secondary(PromotionKind::Planned), by("2")).unwrap();
        let back = abort(&begun, by("3")).unwrap();
        assert_eq!((back.epoch, back.active, back.phase), (3, HubRole::Primary, Phase::Steady));
        assert_eq!(abort(&back, by("4")), Err(TransitionError::NotPromoting));
    }

    #[test]
    fn one_promotion_at_a_time_and_never_to_the_active_hub() {
        let home = Promotion { to: HubRole::Primary, kind: PromotionKind::Forced };
        assert_eq!(begin_promotion(&first(), home, by("2")), Err(TransitionError::AlreadyActive));
        let begun = begin_promotion(&first(), to_secondary(PromotionKind::Planned), by("2")).unwrap();
        assert_eq!(
            begin_promotion(&begun, to_secondary(PromotionKind::Forced), by("3")),
            Err(TransitionError::AlreadyPromoting(HubRole::Secondary))
        );
    }

    #[test]
    fn members_that_are_not_known_survive_a_rewrite() {
        let mut document: Object = serde_json::from_slice(&first().to_json().unwrap()).unwrap();
        document.insert("fromLater".into(), json!({"n": 1.50}));
        let read = RoutingRecord::from_json(&serde_json::to_vec(&document).unwrap()).unwrap();
        let begun = begin_promotion(&read, to_secondary(PromotionKind::Planned), by("2")).unwrap();
        let written: Object = serde_json::from_slice(&begun.to_json().unwrap()).unwrap();
        assert_eq!(written.get("fromLater"), document.get("fromLater"));
        assert_eq!(written.get("phase"), Some(&json!("promoting")));
        assert_eq!(RoutingRecord::from_json(&begun.to_json().unwrap()).unwrap(), begun);
    }

    #[test]
    fn a_record_that_contradicts_itself_is_refused() {
        let document: Object = serde_json::from_slice(&first().to_json().unwrap()).unwrap();
        for (name, value) in [
            ("standby", json!("primary")),
            ("epoch", json!(0)),
            ("phase", json!("promoting")),
            ("leaseSeconds", json!(0)),
            ("active", json!("tertiary")),
        ] {
            let mut broken = document.clone();
            broken.insert(name.into(), value);
            assert!(RoutingRecord::from_json(&serde_json::to_vec(&broken).unwrap()).is_err(), "{name}");
        }
    }
}
