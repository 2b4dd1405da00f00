//! One device at a time, whoever asks: a device and its modules share one lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::model::DeviceId;

/// Locks by device; one exists only while it is held or waited for.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<DeviceId, Arc<AsyncMutex<()>>>>);

/// Holds one device.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    locks: &'a Locks,
    device: &'a DeviceId,
    lock: Arc<AsyncMutex<()>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// Waits for the device.
    pub(crate) async fn hold<'a>(&'a self, device: &'a DeviceId) -> Held<'a> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(device.clone()).or_default())
        };
        let mut held = Held { locks: self, device, lock, guard: None };
        held.guard = Some(Arc::clone(&held.lock).lock_owned().await);
        held
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.locks.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's own and this one: nobody else holds it or waits for it.
        if Arc::strong_count(&self.lock) <= 2 {
            locks.remove(self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_device_is_held_by_one_at_a_time_and_leaves_nothing_behind() {
        let locks = Locks::default();
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        let first = locks.hold(&a).await;
        let _other = locks.hold(&b).await;
        let mut second = Box::pin(locks.hold(&a));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        drop(second.await);
        drop(_other);
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
