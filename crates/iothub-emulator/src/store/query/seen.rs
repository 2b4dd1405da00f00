//! What queries see of a hub.

use std::ops::Bound;
use std::time::Instant;

use super::index::Lateness;
use crate::store::Hub;
use crate::store::devices::{Change, Devices, Stored};

impl Hub {
    /// Before a change is made: what queries go on to see.
    pub(in crate::store) fn before(&self, change: &Change, devices: &Devices) {
        let switches = self.switches();
        let lateness = Lateness { lag: switches.query_lag(), ghost: switches.query_ghost() };
        let mut index = self.index.lock();
        // Queries that are never late cost nothing.
        if !index.is_up_to_date() || !lateness.lag.is_zero() || !lateness.ghost.is_zero() {
            index.before(change, devices, Instant::now(), lateness);
        }
    }

    /// How many devices queries see.
    pub(super) fn seen_count(&self) -> usize {
        let devices = self.lock();
        let (mut unseen, mut ghosts) = (0, 0);
        for (id, seen) in self.index.lock().from(Bound::Unbounded, Instant::now()) {
            let (is, seen) = (devices.stored(&id).is_some(), seen.is_some());
            unseen += usize::from(is && !seen);
            ghosts += usize::from(!is && seen);
        }
        devices.len() - unseen + ghosts
    }

    /// Shows one device as queries see it.
    pub(super) fn seen_device(&self, id: &str, visit: &mut dyn FnMut(&Stored)) {
        let devices = self.lock();
        let behind = self.index.lock().one(id, Instant::now());
        match behind {
            Some(seen) => seen.iter().for_each(|stored| visit(stored)),
            None => devices.stored(id).into_iter().for_each(visit),
        }
    }

    /// Shows the devices from `from` on as queries see them, in the order of their ids, until `visit` has enough.
    pub(super) fn each_seen(&self, from: Bound<String>, visit: &mut dyn FnMut(&str, &Stored) -> bool) {
        let behind = self.index.lock().from(from.as_ref().map(String::as_str), Instant::now());
        let mut behind = behind.into_iter().peekable();
        let mut enough = false;
        self.each_device(from, &mut |id, stored| {
            while let Some((ghost, seen)) = behind.next_if(|(ghost, _)| **ghost < *id) {
                enough |= seen.is_some_and(|seen| !visit(&ghost, &seen));
                if enough {
                    return false;
                }
            }
            enough = match behind.next_if(|(same, _)| **same == *id) {
                Some((_, seen)) => seen.is_some_and(|seen| !visit(id, &seen)),
                None => !visit(id, stored),
            };
            !enough
        });
        for (ghost, seen) in behind {
            if enough {
                return;
            }
            enough = seen.is_some_and(|seen| !visit(&ghost, &seen));
        }
    }
}
