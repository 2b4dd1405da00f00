//! From when on two hubs may have said different things. Pure: no I/O, no clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::margin::margin;
use super::role::HubRole;

/// Storage says when it wrote in whole seconds (`Last-Modified`, documented): the real time is up to
/// so much later.
const WHOLE_SECONDS: Duration = Duration::from_secs(1);

/// The promotion that ended the time in which both hubs said the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diverged {
    /// Its epoch.
    pub epoch: u64,
    /// The hub that was active until then: what it said before belongs on the other one too.
    pub origin: HubRole,
    /// What stood on the other hub before this time was put there by replication from `origin`: every
    /// write of the app under the lease of the epoch before has ended, and no client has been told the
    /// new hub yet. Storage's time.
    pub since: Timestamp,
}

impl Diverged {
    /// By a promotion of `epoch` away from `origin`, whose first step storage wrote at `cut`.
    ///
    /// A lease that did not see the first step ends `lease` after it, and the second step, by which
    /// clients learn of the new hub, comes `lease` and a margin after it at the earliest. `since` is
    /// in the middle between the two, for a `cut` that is up to a second earlier than the write.
    pub fn by_promotion(epoch: u64, origin: HubRole, cut: Timestamp, lease: Duration) -> Self {
        let later = lease + (margin(lease) + WHOLE_SECONDS) / 2;
        let later = SignedDuration::try_from(later).unwrap_or(SignedDuration::MAX);
        Self { epoch, origin, since: cut.checked_add(later).unwrap_or(Timestamp::MAX) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_hubs_part_after_the_last_lease_and_before_the_second_step_whatever_second_storage_names() {
        let cut: Timestamp = "2026-11-24T01:00:00Z".parse().unwrap();
        for lease in [1, 2, 15, 30, 300].map(Duration::from_secs) {
            let since = Diverged::by_promotion(2, HubRole::Primary, cut, lease).since;
            let after_cut = Duration::try_from(since.duration_since(cut)).unwrap();
            for fraction in [Duration::ZERO, Duration::from_millis(999)] {
                assert!(after_cut >= fraction + lease, "{lease:?}");
                assert!(after_cut <= fraction + lease + margin(lease), "{lease:?}");
            }
        }
    }
}
