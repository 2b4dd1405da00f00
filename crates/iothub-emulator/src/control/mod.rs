//! The port from which tests cause trouble and look inside.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::events::Emitter;
use crate::store::{Hub, Switches};

/// What is to happen with one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// As usual.
    Proceed,
    /// Answer this and do nothing else.
    Answer(Planned),
    /// Do it, then answer this instead of the truth.
    AnswerAfterApply(Planned),
    /// Close the connection without an answer, having done nothing.
    Drop,
    /// Do it, then close the connection without an answer.
    DropAfterApply,
    /// Close the connection now and do it so much later.
    ApplyLate(Duration),
    /// Close the connection now and do it when told, see [`HubControl::hold`].
    Hold,
    /// Never answer.
    Hang,
}

/// An answer that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The status.
    pub status: u16,
    /// The body; `None` gives the hub's usual error body for the status.
    pub body: Option<serde_json::Value>,
}

/// One request as it is remembered. Bodies may hold keys: they are taken out before anything is shown.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// `GET`, …, `MQTT-CONNECT`, `MQTT-PATCH`.
    pub method: String,
    /// The path as it was sent, still percent-encoded.
    pub path: String,
    /// The query as it was sent.
    pub query: Option<String>,
    /// `If-Match` as it was sent.
    pub if_match: Option<String>,
    /// What was answered; 0 when the connection was closed instead.
    pub status: u16,
    /// The request's body.
    pub body: Bytes,
}

/// Trouble and memory of one hub.
#[derive(Debug, Default)]
pub struct HubControl {}

impl HubControl {
    /// Waits out latency and delays, counts throttles, and says what is to happen with a request.
    pub async fn verdict(&self, _method: &str, _path: &str) -> Verdict {
        Verdict::Proceed
    }

    /// Whether new connections are closed at accept, and existing ones with them.
    #[must_use]
    pub fn refusing(&self) -> bool {
        false
    }

    /// Resolves when connections that are open must be closed (the hub begins to refuse).
    pub async fn begins_refusing(&self) {
        std::future::pending().await
    }

    /// Keeps a write back until it is released.
    pub fn hold(&self, write: Box<dyn FnOnce() + Send>) {
        drop(write);
    }

    /// Remembers a request.
    pub fn record(&self, record: RequestRecord) {
        drop(record);
    }

    /// Counts a TLS connection for as long as the guard lives.
    #[must_use]
    pub fn connection(&self) -> ConnectionGuard {
        ConnectionGuard {}
    }
}

/// One open TLS connection.
#[derive(Debug)]
pub struct ConnectionGuard {}

/// Everything the control port reaches.
#[derive(Debug)]
pub struct ControlPort {
    /// The hubs and their trouble.
    pub hubs: Vec<(Arc<Hub>, Arc<HubControl>)>,
    /// The event logs.
    pub emitter: Arc<Emitter>,
    /// The inferred behaviours.
    pub switches: Arc<Switches>,
}

/// Serves the control port over plain HTTP until `stop`.
pub async fn serve(listener: TcpListener, port: ControlPort, stop: CancellationToken) {
    let _ = (listener, port);
    stop.cancelled().await;
}
