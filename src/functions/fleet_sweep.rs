//! `fleet-sweep`: the timer that works owed identities off.

use crate::host::Reply;
use crate::iothub::Deadline;
use crate::replication::Engine;

/// One run.
pub async fn fleet_sweep(engine: &Engine, deadline: Deadline) -> Reply {
    engine.sweep(deadline).await
}
