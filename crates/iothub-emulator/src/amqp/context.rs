//! What sessions and links need of their connection.

use bytes::BytesMut;
use std::sync::Arc;
use tokio::sync::Notify;

use super::frame::{self, Kind};
use super::owners::Owners;
use super::value::Value;
use crate::events::Emitter;

/// What a session needs of its connection.
pub(crate) struct Context<'a> {
    pub(crate) emitter: &'a Emitter,
    pub(crate) owners: &'a Arc<Owners>,
    pub(crate) wake: &'a Arc<Notify>,
    pub(crate) out: &'a mut BytesMut,
    /// Largest frame the peer takes.
    pub(crate) max_frame: usize,
    /// No more links: the connection has its share.
    pub(crate) full: bool,
}

impl Context<'_> {
    pub(crate) fn put(&mut self, channel: u16, performative: &Value) {
        frame::put(self.out, Kind::Amqp, channel, Some(performative), &[]);
    }
}
