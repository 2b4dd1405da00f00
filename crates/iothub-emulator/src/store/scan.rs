//! Looking at many devices without keeping others from the hub for long.

use parking_lot::MutexGuard;
use std::ops::Bound;

use super::Hub;
use super::devices::Stored;

/// How many devices are looked at before others get their turn at the lock.
const STRIDE: usize = 256;

impl Hub {
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
