//! Looking at many devices without keeping others from the hub for long.

use parking_lot::MutexGuard;
use std::ops::Bound;

use super::Hub;
use super::devices::{Change, Stored};

/// How many devices are looked at before others get their turn at the lock.
const STRIDE: usize = 64;

impl Hub {
    /// The changes that make the devices of one stride, and where the next begins, when there is one. The lock is free
    /// when this returns: what is done with the changes may take its time.
    pub(super) fn stride(&self, from: Bound<String>) -> (Vec<Change>, Option<Bound<String>>) {
        let devices = self.lock();
        let stride = devices.from(from.as_ref().map(String::as_str), STRIDE);
        let mut changes = Vec::new();
        let (mut looked, mut last) = (0, None);
        for (id, stored) in stride {
            changes.extend(stored.changes(id));
            looked += 1;
            last = Some(id);
        }
        let next = last.filter(|_| looked == STRIDE).map(|last| Bound::Excluded(last.to_owned()));
        MutexGuard::unlock_fair(devices);
        (changes, next)
    }

    /// Shows the devices from `from` on, in the order of their ids, until `visit` has enough. Whatever changes
    /// meanwhile is seen or not: a device that is there throughout is shown once.
    pub(super) fn each_device(&self, from: Bound<String>, visit: &mut dyn FnMut(&str, &Stored) -> bool) {
        let mut from = from;
        loop {
            let devices = self.lock();
            let mut looked = 0;
            let mut last = None;
            for (id, stored) in devices.from(from.as_ref().map(String::as_str), STRIDE) {
                if !visit(id, stored) {
                    return;
                }
                looked += 1;
                last = Some(id);
            }
            match last.filter(|_| looked == STRIDE) {
                Some(last) => from = Bound::Excluded(last.to_owned()),
                None => return,
            }
            // To whoever waits: without that, this loop would have the lock again before they are awake.
            MutexGuard::unlock_fair(devices);
        }
    }
}
