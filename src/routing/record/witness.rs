//! The witness: what the record last said, kept in another container, so that a record that is
//! gone is never taken for one that never was.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::diverged::Diverged;
use super::document::{Phase, RoutingRecord};
use super::hub_names::HubNames;
use super::role::{HubRole, StandbyState};

/// The witness document. Its numbers never go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Witness {
    /// The highest epoch known to have been steady; 0 before the first.
    pub epoch: u64,
    /// The highest epoch that anybody may have written: set before the record is.
    pub reserved: u64,
    /// Active in `epoch`; before the first, the hub that is to be.
    pub active: HubRole,
    /// The other hub's state in `epoch`.
    pub standby_state: StandbyState,
    /// Storage's time of the last promotion in `epoch`.
    pub cut: Option<Timestamp>,
    /// Since when the hubs may differ, in `epoch`.
    #[serde(default)]
    pub diverged: Option<Diverged>,
    /// The hubs that the record was last about.
    #[serde(default)]
    pub hubs: Option<HubNames>,
    /// The record's lease in `epoch`, in seconds.
    #[serde(default)]
    pub lease_seconds: u32,
    /// Whether the probe identities have been made on both hubs: from then on a missing one means
    /// that the hub is not the one we know.
    #[serde(default)]
    pub probes_made: bool,
}

impl Witness {
    /// Before the first record.
    pub fn first(active: HubRole) -> Self {
        Self {
            epoch: 0,
            reserved: 1,
            active,
            standby_state: StandbyState::InSync,
            cut: None,
            diverged: None,
            hubs: None,
            lease_seconds: 0,
            probes_made: false,
        }
    }

    /// Whether there may have been a record that this one would forget. Before that, making the
    /// first record once more changes nothing.
    pub fn has_history(&self) -> bool {
        self.epoch > 0 || self.reserved > 1
    }

    /// An epoch that nobody has used.
    pub fn next_epoch(&self) -> u64 {
        self.epoch.max(self.reserved) + 1
    }

    /// Whether a record with `active` may follow a lost one at once: only when it is certain that no
    /// lease still running says another direction.
    pub fn is_certain_of(&self, active: HubRole) -> bool {
        self.active == active && self.reserved <= self.epoch
    }

    /// Before a record with `epoch` is written.
    pub fn reserve(&mut self, epoch: u64) {
        self.reserved = self.reserved.max(epoch);
    }

    /// After a record was seen. Within an epoch the only step is the end of a rejoining, so an older
    /// view that comes late changes nothing.
    pub fn confirm(&mut self, record: &RoutingRecord) {
        self.reserve(record.epoch);
        if record.epoch >= self.epoch && record.hubs.is_some() {
            self.hubs.clone_from(&record.hubs);
        }
        let ended = record.epoch == self.epoch && record.standby_state == StandbyState::InSync;
        if record.phase == Phase::Steady && (record.epoch > self.epoch || ended) {
            self.epoch = record.epoch;
            self.active = record.active;
            self.standby_state = record.standby_state;
            self.cut = record.cut;
            self.diverged = record.diverged;
            self.lease_seconds = record.lease_seconds;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::routing::record::Authorship;

    #[test]
    fn a_witness_never_goes_back() {
        let by = || Authorship {
            by: String::new(),
            reason: String::new(),
            at: Timestamp::UNIX_EPOCH,
            nonce: String::new(),
        };
        let record = |epoch, active| RoutingRecord::genesis(epoch, active, Duration::from_secs(1), by());
        let mut witness = Witness::first(HubRole::Primary);
        assert!(!witness.has_history());
        witness.reserve(7);
        witness.confirm(&record(6, HubRole::Secondary));
        witness.confirm(&record(5, HubRole::Primary));
        witness.reserve(3);
        assert_eq!((witness.epoch, witness.active, witness.next_epoch()), (6, HubRole::Secondary, 8));
        assert!(witness.has_history());
    }

    #[test]
    fn a_witness_knows_that_a_rejoining_has_ended_also_when_an_older_view_comes_late() {
        let by = || Authorship {
            by: String::new(),
            reason: String::new(),
            at: Timestamp::UNIX_EPOCH,
            nonce: String::new(),
        };
        let ended = RoutingRecord::genesis(3, HubRole::Primary, Duration::from_secs(1), by());
        let diverged = Diverged { epoch: 3, origin: HubRole::Secondary, since: Timestamp::UNIX_EPOCH };
        let rejoining = RoutingRecord {
            standby_state: StandbyState::Rejoining,
            diverged: Some(diverged),
            ..ended.clone()
        };
        let mut witness = Witness::first(HubRole::Primary);
        witness.confirm(&rejoining);
        assert_eq!((witness.standby_state, witness.diverged), (StandbyState::Rejoining, Some(diverged)));
        witness.confirm(&ended);
        witness.confirm(&rejoining);
        assert_eq!((witness.standby_state, witness.diverged), (StandbyState::InSync, None));
    }
}
