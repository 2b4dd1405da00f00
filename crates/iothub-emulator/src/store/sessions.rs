//! Who is connected, and who wants to hear of desired properties.

use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::Id;

/// How many desired patches a slow connection may lag behind before it misses some.
const DESIRED_BACKLOG: usize = 32;

/// A desired patch for a connected device: the version, and the patch as it was sent, nulls included.
#[derive(Debug, Clone)]
pub struct DesiredPatch {
    /// The new `desired.$version`.
    pub version: u64,
    /// The members as sent, without `$version`.
    pub patch: Arc<Map<String, Value>>,
}

/// What a device listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subscriptions {
    /// Answers to its requests.
    pub answers: bool,
    /// Desired patches.
    pub desired: bool,
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    table: Mutex<HashMap<Id, Session>>,
    /// Of all sessions, so that none is taken for a later one.
    serials: AtomicU64,
    /// Subscriptions that outlive connections, until the identity is deleted.
    kept: Mutex<HashMap<Id, Subscriptions>>,
}

#[derive(Debug, Default)]
struct Session {
    serial: u64,
    closed: Option<CancellationToken>,
    desired: Option<broadcast::Sender<DesiredPatch>>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a connection, if there is one, to close.
    pub(super) fn close(&self, id: &Id) {
        if let Some(token) = self.lock().get(id).and_then(|session| session.closed.as_ref()) {
            token.cancel();
        }
    }

    /// Forgets what was kept for an identity that is no more.
    pub(super) fn forget(&self, id: &Id) {
        self.kept().remove(id);
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, HashMap<Id, Subscriptions>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self, id: &Id) -> broadcast::Receiver<DesiredPatch> {
        let mut table = self.lock();
        let session = table.entry(id.clone()).or_default();
        let sender = session.desired.get_or_insert_with(|| broadcast::channel(DESIRED_BACKLOG).0);
        sender.subscribe()
    }

    pub(super) fn publish(&self, id: &Id, version: u64, patch: Map<String, Value>) {
        if let Some(sender) = self.lock().get(id).and_then(|session| session.desired.as_ref()) {
            let _nobody_listens = sender.send(DesiredPatch { version, patch: Arc::new(patch) });
        }
    }

    pub(super) fn register(&self, id: &Id) -> (u64, CancellationToken) {
        let mut table = self.lock();
        let session = table.entry(id.clone()).or_default();
        let token = CancellationToken::new();
        if let Some(first) = session.closed.replace(token.clone()) {
            first.cancel();
        }
        session.serial = self.serials.fetch_add(1, Ordering::Relaxed) + 1;
        (session.serial, token)
    }

    /// Whether there is a connection.
    pub(super) fn is_open(&self, id: &Id) -> bool {
        self.lock().get(id).is_some_and(|session| session.closed.is_some())
    }

    /// Whether the leaving session was the one that counts.
    pub(super) fn leave(&self, id: &Id, serial: u64) -> bool {
        let mut table = self.lock();
        let current = table.get(id).is_some_and(|session| session.serial == serial);
        if current {
            table.remove(id);
        }
        current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_leaves_late_ends_no_later_one() {
        let sessions = Sessions::default();
        let id = Id::device("d");
        let (first, _) = sessions.register(&id);
        let (second, _) = sessions.register(&id);
        assert!(sessions.leave(&id, second));
        let (third, _) = sessions.register(&id);
        assert!(!sessions.leave(&id, first));
        assert!(sessions.is_open(&id));
        assert!(sessions.leave(&id, third));
        assert!(!sessions.is_open(&id));
    }
}
