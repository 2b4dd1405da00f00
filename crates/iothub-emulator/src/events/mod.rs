//! What leaves the hub.

use serde_json::Value;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::stamp::Stamp;
use crate::store::Id;

/// An identity came or went.
#[derive(Debug, Clone, Copy)]
pub struct Lifecycle<'a> {
    /// The hub's name (not its host name).
    pub hub: &'a str,
    /// Whose.
    pub id: &'a Id,
    /// Created, else deleted.
    pub created: bool,
    /// The twin document as `GET /twins/…` gives it at that moment (before the deletion).
    pub twin: &'a Value,
    /// When.
    pub at: Stamp,
}

/// A twin was written.
#[derive(Debug, Clone, Copy)]
pub struct TwinChanged<'a> {
    /// The hub's name (not its host name).
    pub hub: &'a str,
    /// Whose.
    pub id: &'a Id,
    /// `replaceTwin`, else `updateTwin`.
    pub replaced: bool,
    /// The event's body as routed.
    pub body: &'a Value,
    /// When.
    pub at: Stamp,
}

/// Takes the events of all hubs. Called under a hub's lock, in the order of the writes: must be quick.
#[derive(Debug, Default)]
pub struct Emitter {}

impl Emitter {
    /// Empty logs with so many partitions each.
    #[must_use]
    pub fn new(partitions: u16) -> Self {
        let _ = partitions;
        Self::default()
    }

    /// An identity was created or deleted.
    pub fn lifecycle(&self, event: Lifecycle<'_>) {
        tracing::trace!(?event);
    }

    /// A twin was written by the service or by its device.
    pub fn twin_changed(&self, event: TwinChanged<'_>) {
        tracing::trace!(?event);
    }
}

/// Serves the event logs over plain HTTP until `stop`.
pub async fn serve(listener: TcpListener, emitter: Arc<Emitter>, stop: CancellationToken) {
    let _ = (listener, emitter);
    stop.cancelled().await;
}
