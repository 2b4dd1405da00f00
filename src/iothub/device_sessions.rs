//! What bounds the sessions as a device on one hub.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::ClientConfig;
use tokio::sync::Semaphore;

use super::reachability::Reachability;
use crate::model::IdentityId;

/// What bounds the sessions as a device on one hub.
pub(crate) struct DeviceSessions {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) places: Semaphore,
    /// A second session of the same device would make the hub close the first (documented).
    one_each: Mutex<HashMap<IdentityId, Weak<tokio::sync::Mutex<()>>>>,
    pub(crate) reachability: Reachability,
}

impl DeviceSessions {
    pub(crate) fn new(tls: Arc<ClientConfig>, sessions: usize) -> Self {
        Self {
            tls,
            places: Semaphore::new(sessions),
            one_each: Mutex::new(HashMap::new()),
            reachability: Reachability::default(),
        }
    }

    /// Who holds its lock is the only one that connects as this identity.
    pub(crate) fn turn(&self, id: &IdentityId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.one_each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(id.clone(), Arc::downgrade(&turn));
        turn
    }
}

impl std::fmt::Debug for DeviceSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceSessions").field("places", &self.places.available_permits()).finish()
    }
}
