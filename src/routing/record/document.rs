//! The routing record: one document that says which hub is active. Pure: no I/O, no clock.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::diverged::Diverged;
use super::hub_names::HubNames;
use super::role::{HubRole, StandbyState};
use crate::model::Object;

/// Where a promotion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is under way: reading this gives a write lease.
    Steady,
    /// Leases run out; nobody gets one.
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

/// How a promotion came about. Both kinds leave the other hub rejoining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionKind {
    /// Both hubs were up: the rejoining ends by itself.
    Planned,
    /// The active hub was taken for lost: an operator accepts the end of the rejoining.
    Forced,
}

/// The promotion under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Promotion {
    /// The hub that is to become active.
    pub to: HubRole,
    /// How.
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
    /// Since when the hubs may differ; none while the standby is in sync.
    #[serde(default)]
    pub diverged: Option<Diverged>,
    /// Whether the last promotion was planned.
    #[serde(default)]
    pub planned: bool,
    /// Whether an operator has accepted that a rejoining after a forced promotion ends.
    #[serde(default)]
    pub rejoin_accepted: bool,
    /// The comparison that ends a rejoining has begun: what changes from now on is listed apart.
    #[serde(default)]
    pub closing: bool,
    /// That comparison has ended: until everybody knows, what either hub says is listed, and nothing is written for it.
    #[serde(default)]
    pub compared: bool,
    /// The two hubs; none in a record that was made before they were kept.
    #[serde(default)]
    pub hubs: Option<HubNames>,
    /// How long a write lease lasts after a read, in seconds. No promotion changes it.
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
            diverged: None,
            planned: false,
            rejoin_accepted: false,
            closing: false,
            compared: false,
            hubs: None,
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

    /// How long a write lease lasts after a read.
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

    pub(super) fn signed(mut self, authorship: Authorship) -> Self {
        self.changed_by = authorship.by;
        self.changed_at = authorship.at;
        self.reason = authorship.reason;
        self.nonce = authorship.nonce;
        self
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

    #[test]
    fn members_that_are_not_known_survive_a_rewrite() {
        let mut document: Object = serde_json::from_slice(&first().to_json().unwrap()).unwrap();
        document.insert("fromLater".into(), json!({"n": 1.50}));
        let read = RoutingRecord::from_json(&serde_json::to_vec(&document).unwrap()).unwrap();
        let next = RoutingRecord { epoch: 2, ..read }.signed(by("2"));
        let written: Object = serde_json::from_slice(&next.to_json().unwrap()).unwrap();
        assert_eq!(written.get("fromLater"), document.get("fromLater"));
        assert_eq!(written.get("epoch"), Some(&json!(2)));
        assert_eq!(RoutingRecord::from_json(&next.to_json().unwrap()).unwrap(), next);
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

    #[test]
    fn a_record_without_the_later_members_is_read_and_written_with_them() {
        let mut document: Object = serde_json::from_slice(&first().to_json().unwrap()).unwrap();
        for name in ["hubs", "diverged", "planned", "rejoinAccepted"] {
            assert!(document.remove(name).is_some(), "{name}");
        }
        assert_eq!(RoutingRecord::from_json(&serde_json::to_vec(&document).unwrap()).unwrap(), first());
    }
}
