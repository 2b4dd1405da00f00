//! The answer for devices, from memory.

use std::time::Duration;

use tokio::sync::watch;

use super::assignment::Assignment;

/// The last steady answer, for readers that never wait; none before a record was read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RouterView(pub(super) watch::Receiver<Option<Assignment>>);

impl RouterView {
    /// From memory: no storage, no hub, no waiting.
    pub fn current(&self) -> Option<Assignment> {
        *self.0.borrow()
    }

    /// For a cold start: waits until a record was read, at most so long.
    pub async fn first(&self, at_most: Duration) -> Option<Assignment> {
        let mut view = self.0.clone();
        let known = view.wait_for(Option::is_some);
        let _ = tokio::time::timeout(at_most, known).await;
        self.current()
    }
}
