//! What leaves the hub.

use serde_json::Value;

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
    /// An identity was created or deleted.
    pub fn lifecycle(&self, event: Lifecycle<'_>) {
        tracing::trace!(?event);
    }

    /// A twin was written by the service or by its device.
    pub fn twin_changed(&self, event: TwinChanged<'_>) {
        tracing::trace!(?event);
    }
}
