//! How long a promotion must be watched before it may be finished. Pure: times come in.

use std::time::Duration;

use crate::iothub::BootTime;
use crate::model::ETag;
use crate::routing::record::{Phase, RoutingRecord, margin};

/// One promoting write, watched on one's own clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionWatch {
    etag: ETag,
    since: BootTime,
    wait: Duration,
}

impl PromotionWatch {
    /// Goes on watching, or begins anew when this is another write; `None` when nothing is being
    /// promoted. `answered` is when the answer was here: the write is older than that, so every
    /// lease that did not see it has ended after the lease's length from then.
    pub fn observe(
        watch: Option<Self>,
        record: &RoutingRecord,
        etag: &ETag,
        answered: BootTime,
    ) -> Option<Self> {
        match (record.phase, watch) {
            (Phase::Steady, _) => None,
            (Phase::Promoting, Some(same)) if same.etag == *etag => Some(same),
            (Phase::Promoting, _) => {
                let wait = record.lease() + margin(record.lease());
                Some(Self { etag: etag.clone(), since: answered, wait })
            }
        }
    }

    /// How long still; zero when whoever watches may finish it.
    pub fn left(&self, now: BootTime) -> Duration {
        self.since.plus(self.wait).since(now)
    }

    /// Whether every lease has run out.
    pub fn may_finish(&self, now: BootTime) -> bool {
        self.left(now).is_zero()
    }
}
