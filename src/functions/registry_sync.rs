//! `registry-sync`: events of the event hub `registry`.

use crate::host::{EventBatch, Reply};
use crate::iothub::Deadline;
use crate::replication::Engine;

/// Works a batch off.
pub async fn registry_sync(engine: &Engine, batch: EventBatch, deadline: Deadline) -> Reply {
    engine.apply("registry-sync", batch, deadline).await
}
