//! Does the active hub know what it must know? Asked before anything is deleted.

use std::time::Instant;

use tokio::sync::Mutex;

use crate::iothub::{Deadline, HubClient};
use crate::routing::probe_identity;

/// Answers about the probe identity of one hub, shared by deletes that run at the same time.
#[derive(Debug, Default)]
pub(crate) struct Probe(Mutex<Option<(Instant, bool)>>);

impl Probe {
    /// Whether `hub` answered `Present` for the probe identity, in a read that began after `after`.
    pub(crate) async fn is_present(&self, hub: &HubClient, after: Instant, deadline: Deadline) -> bool {
        let mut last = self.0.lock().await;
        if let Some((began, present)) = *last
            && began > after
        {
            return present;
        }
        let Some(id) = probe_identity() else { return false };
        let began = Instant::now();
        let present = hub.twin(&id, deadline).await.is_ok();
        *last = Some((began, present));
        present
    }
}
