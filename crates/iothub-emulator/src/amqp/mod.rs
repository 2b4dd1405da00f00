//! The event hubs over AMQP 1.0 without TLS, as local emulators of Event Hubs offer it (`UseDevelopmentEmulator=true`).
//!
//! In reading order: `value`, `decode` and `encode` (the type system), `frame` and `performative` (what peers
//! say), `engine`, `session`, `context`, `attach` and `link` (what is said to it), `node`, `filter`, `owners`,
//! `message` and `service_nodes` (what an event hub is), `connection` (sockets and time),
//! `refusal` (what a device hears that speaks AMQP).
//!
//! The protocol is written here because the crates for it recurse as deep as the bytes ask them to: some kilobytes from
//! anyone who can connect would end the process.

mod attach;
#[cfg(test)]
mod codec_tests;
mod connection;
mod context;
mod decode;
mod encode;
mod engine;
mod filter;
mod frame;
mod link;
mod message;
mod node;
mod owners;
mod performative;
mod refusal;
mod service_nodes;
mod session;
mod value;

use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::events::Emitter;
use owners::Owners;
pub(crate) use refusal::{BEGINNING, refuse, serve_refusals};

/// Connections at one time, over all addresses.
const MOST_CONNECTIONS: usize = 1000;

/// The event hubs for readers on any number of addresses.
#[derive(Debug, Clone)]
pub struct EventHubs {
    emitter: Arc<Emitter>,
    owners: Arc<Owners>,
    room: Arc<Semaphore>,
    stop: CancellationToken,
}

impl EventHubs {
    /// The event hubs of this emitter, until `stop`.
    #[must_use]
    pub fn new(emitter: Arc<Emitter>, stop: CancellationToken) -> Self {
        Self { emitter, owners: Arc::default(), room: Arc::new(Semaphore::new(MOST_CONNECTIONS)), stop }
    }

    /// Serves them on one address. A connection for which there is no room is closed at once.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
                        let hubs = self.clone();
                        tokio::spawn(async move {
                            hubs.connection(stream).await;
                            drop(room);
                        });
                    }
                }
                // Out of file descriptors, most likely: give those that are open time to close.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream) {
        let _undelayed = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let ended = connection::converse(reader, writer, self.emitter, self.owners, &self.stop).await;
        if let Err(error) = ended {
            tracing::debug!(%error, "an AMQP connection broke off");
        }
    }
}
