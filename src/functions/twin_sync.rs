//! `twin-sync`: events of the event hub `devicetwin`.

use crate::host::{EventBatch, Reply};
use crate::iothub::Deadline;
use crate::replication::Engine;

/// Works a batch off.
pub async fn twin_sync(engine: &Engine, batch: EventBatch, deadline: Deadline) -> Reply {
    engine.apply("twin-sync", batch, deadline).await
}
