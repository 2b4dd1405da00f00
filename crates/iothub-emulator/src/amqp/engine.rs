//! What a connection says to what it hears, without a socket: frames in, bytes out.

use bytes::BytesMut;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

use super::context::Context;
use super::frame::{self, Frame, Kind};
use super::owners::Owners;
use super::performative::{self, Failure, Performative};
use super::session::Session;
use crate::events::Emitter;

/// Highest channel: sessions of a connection, less one.
const HIGHEST_CHANNEL: u16 = 255;

/// Links of a connection.
const MOST_LINKS: usize = 1024;

/// Within which time we want to hear of the peer; it is dropped after twice that.
pub(crate) const IDLE: Duration = Duration::from_secs(120);

const ILLEGAL: &str = "amqp:connection:framing-error";

/// One connection after its protocol headers.
#[derive(Debug)]
pub(crate) struct Engine {
    emitter: Arc<Emitter>,
    owners: Arc<Owners>,
    /// Told when a receiver of this connection was pushed out.
    wake: Arc<Notify>,
    sessions: BTreeMap<u16, Session>,
    max_frame: usize,
    opened: bool,
    /// To be written.
    pub(crate) out: BytesMut,
    /// Nothing more is said after what is to be written.
    pub(crate) closed: bool,
    /// Within which time the peer wants to hear of us.
    pub(crate) peer_idle: Option<Duration>,
}

impl Engine {
    pub(crate) fn new(emitter: Arc<Emitter>, owners: Arc<Owners>, wake: Arc<Notify>) -> Self {
        Self {
            emitter,
            owners,
            wake,
            sessions: BTreeMap::new(),
            max_frame: usize::try_from(frame::SMALLEST_LIMIT).unwrap_or(512),
            opened: false,
            out: BytesMut::new(),
            closed: false,
            peer_idle: None,
        }
    }

    /// Whether the peer has opened.
    pub(crate) fn opened(&self) -> bool {
        self.opened
    }

    /// Acts on a frame.
    pub(crate) fn hear(&mut self, frame: Frame) {
        if self.closed {
            return;
        }
        if frame.kind != Kind::Amqp {
            return self.close(Some(&Failure::new(ILLEGAL, "A frame of another protocol")));
        }
        if frame.body.is_empty() {
            return;
        }
        match Performative::decode(frame.body) {
            Ok(performative) => {
                tracing::trace!(frame.channel, ?performative, "heard");
                self.act(frame.channel, performative);
            }
            Err(_) => self.close(Some(&Failure::new("amqp:decode-error", "A frame that cannot be read"))),
        }
    }

    fn act(&mut self, channel: u16, performative: Performative) {
        match performative {
            Performative::Open { max_frame, idle_ms } if !self.opened => self.open(max_frame, idle_ms),
            Performative::Close => self.close(None),
            Performative::Open { .. } => self.close(Some(&Failure::new("amqp:illegal-state", "It is open"))),
            _ if !self.opened => self.close(Some(&Failure::new("amqp:illegal-state", "It is not open"))),
            Performative::Begin { next_outgoing, window } => self.begin(channel, next_outgoing, window),
            Performative::End => {
                if self.sessions.remove(&channel).is_some() {
                    self.put(channel, &performative::end(None));
                }
            }
            performative => self.in_session(channel, performative),
        }
    }

    fn put(&mut self, channel: u16, performative: &super::value::Value) {
        frame::put(&mut self.out, Kind::Amqp, channel, Some(performative), &[]);
    }

    fn open(&mut self, max_frame: u32, idle_ms: Option<u32>) {
        self.opened = true;
        let agreed = max_frame.clamp(frame::SMALLEST_LIMIT, frame::LARGEST);
        self.max_frame = usize::try_from(agreed).unwrap_or(512);
        self.peer_idle = idle_ms.filter(|idle| *idle > 0).map(|idle| Duration::from_millis(idle.into()));
        let idle = u32::try_from(IDLE.as_millis()).unwrap_or(u32::MAX);
        self.put(0, &performative::open(idle, frame::LARGEST, HIGHEST_CHANNEL));
    }

    fn begin(&mut self, channel: u16, next_outgoing: u32, window: u32) {
        if channel > HIGHEST_CHANNEL || self.sessions.contains_key(&channel) {
            return self.close(Some(&Failure::new(ILLEGAL, format!("Channel {channel} is not free"))));
        }
        let session = Session::new(channel, next_outgoing, window);
        self.put(channel, &session.begin());
        self.sessions.insert(channel, session);
    }

    fn in_session(&mut self, channel: u16, performative: Performative) {
        let full = self.sessions.values().map(Session::links).sum::<usize>() >= MOST_LINKS;
        let Some(session) = self.sessions.get_mut(&channel) else {
            // Said before the peer knew that the session has ended.
            return;
        };
        let Self { emitter, owners, wake, out, max_frame, .. } = self;
        let mut context = Context { emitter, owners, wake, out, max_frame: *max_frame, full };
        if let Err(failure) = session.act(performative, &mut context) {
            self.sessions.remove(&channel);
            self.put(channel, &performative::end(Some(&failure)));
        }
    }

    /// Puts what may be sent behind what is to be written; whether that was anything.
    pub(crate) fn pump(&mut self) -> bool {
        let Self { emitter, owners, wake, out, max_frame, .. } = self;
        let mut context = Context { emitter, owners, wake, out, max_frame: *max_frame, full: false };
        let mut sent = false;
        for session in self.sessions.values_mut() {
            sent |= session.pump(&mut context);
        }
        sent
    }

    /// An empty frame: we are here.
    pub(crate) fn beat(&mut self) {
        frame::put(&mut self.out, Kind::Amqp, 0, None, &[]);
    }

    /// Says goodbye, with a reason or in answer to the peer's.
    pub(crate) fn close(&mut self, failure: Option<&Failure>) {
        if !self.opened {
            // An open comes before a close, even before one that refuses (specification, 2.4.5).
            self.open(frame::SMALLEST_LIMIT, None);
        }
        self.put(0, &performative::close(failure));
        self.sessions.clear();
        self.closed = true;
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
