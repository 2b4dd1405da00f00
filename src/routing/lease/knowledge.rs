//! What one process knows of the record, and what follows from it. Pure: times come in.

use super::promotion_watch::PromotionWatch;
use super::span::Lease;
use super::write_lease::NoLease;
use crate::iothub::BootTime;
use crate::routing::assignment::Assignment;
use crate::routing::record::{Phase, RoutingRecord};
use crate::routing::store::Stored;

/// When a read was sent, and when its answer was here.
#[derive(Debug, Clone, Copy)]
pub struct ReadTimes {
    /// Before it was sent.
    pub started: BootTime,
    /// After the answer.
    pub answered: BootTime,
}

/// What one process knows.
#[derive(Debug, Clone)]
pub struct Knowledge {
    highest: u64,
    refusal: NoLease,
    held: Option<(Lease, RoutingRecord)>,
    watch: Option<(PromotionWatch, Stored)>,
    assignment: Option<Assignment>,
    ever_seen: bool,
}

impl Knowledge {
    /// Nothing yet: devices are told nothing.
    pub fn new() -> Self {
        Self {
            highest: 0,
            refusal: NoLease::Unavailable("the routing record has not been read yet".to_owned()),
            held: None,
            watch: None,
            assignment: None,
            ever_seen: false,
        }
    }

    /// An epoch that is known to have been reached (from the witness).
    pub fn learn_epoch(&mut self, epoch: u64) {
        self.highest = self.highest.max(epoch);
    }

    /// A read gave this record.
    pub fn learn(&mut self, stored: &Stored, times: ReadTimes) {
        let record = &stored.record;
        self.ever_seen = true;
        if record.epoch < self.highest {
            self.watch = None;
            return self.refuse(NoLease::LowerEpoch);
        }
        self.highest = record.epoch;
        let watch = self.watch.take().map(|(watch, _)| watch);
        self.watch = PromotionWatch::observe(watch, record, &stored.etag, times.answered)
            .map(|watch| (watch, stored.clone()));
        self.assignment =
            Some(Assignment { hub: record.active, epoch: record.serving_epoch(), stale: false });
        match record.phase {
            Phase::Steady => {
                self.held = Some((Lease::from_read(times.started, record.lease()), record.clone()));
            }
            Phase::Promoting => {
                self.held = None;
                self.refusal = NoLease::Promoting;
            }
        }
    }

    /// A read said that there is no record.
    pub fn learn_absence(&mut self) {
        self.watch = None;
        self.refuse(NoLease::NoRecord);
    }

    /// A read gave no definite answer: nothing is extended, nothing is taken away.
    pub fn learn_nothing(&mut self, why: String) {
        self.grow_stale();
        self.refusal = NoLease::Unavailable(why);
    }

    /// The record is about other hubs than this process is set to: nothing it says holds here, and
    /// nothing that was said before does.
    pub fn learn_other_hubs(&mut self, why: String) {
        self.watch = None;
        self.refuse(NoLease::OtherHubs(why));
        self.assignment = None;
    }

    fn grow_stale(&mut self) {
        if let Some(assignment) = &mut self.assignment {
            assignment.stale = true;
        }
    }

    fn refuse(&mut self, why: NoLease) {
        self.held = None;
        self.grow_stale();
        self.refusal = why;
    }

    /// The lease and the record it was read from, or why there is none.
    pub fn lease(&self, now: BootTime) -> Result<(Lease, &RoutingRecord), NoLease> {
        match &self.held {
            Some((lease, record)) if lease.remaining(now).is_some() => Ok((*lease, record)),
            _ => Err(self.refusal.clone()),
        }
    }

    /// What devices are told; nothing before a record was read.
    pub fn assignment(&self) -> Option<Assignment> {
        self.assignment
    }

    /// The promotion that may be finished now, if any.
    pub fn ripe_promotion(&self, now: BootTime) -> Option<&Stored> {
        self.watch.as_ref().filter(|(watch, _)| watch.may_finish(now)).map(|(_, stored)| stored)
    }

    /// Whether a record was ever read: from then on its absence is a loss.
    pub fn ever_seen(&self) -> bool {
        self.ever_seen
    }

    /// The highest epoch known.
    pub fn highest(&self) -> u64 {
        self.highest
    }
}

impl Default for Knowledge {
    fn default() -> Self {
        Self::new()
    }
}
