//! What devices are told, from memory.

use std::time::Duration;

use tokio::sync::watch;

use super::HubRole;

/// Which hub devices belong to, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The hub.
    pub hub: HubRole,
    /// The epoch in which that was said; 0 when no record was ever read.
    pub epoch: u64,
    /// The last read of the record gave no answer, or none was ever read.
    pub stale: bool,
}

/// The last steady answer, for readers that never wait. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RouterView(pub(super) watch::Receiver<Assignment>);

impl RouterView {
    /// From memory: no storage, no hub, no waiting.
    pub fn current(&self) -> Assignment {
        *self.0.borrow()
    }

    /// For a cold start: waits until a record was read, at most so long.
    pub async fn first(&self, at_most: Duration) -> Assignment {
        let mut view = self.0.clone();
        let known = view.wait_for(|assignment| assignment.epoch > 0);
        let _ = tokio::time::timeout(at_most, known).await;
        self.current()
    }
}
