//! TLS connections as they are taken, whatever is spoken on them.

use rustls::ServerConfig;
use rustls::server::Acceptor;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::hosts::Hosts;
use crate::service::Service;

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what it is sent.
const STALLED: Duration = Duration::from_secs(60);

/// How many handshakes are done at once on one listener, once the client has begun; further clients wait their turn. Clients
/// that connect and say nothing do not keep others waiting.
const MAX_HANDSHAKES: usize = 512;

/// How many connections one listener has open; further clients wait until others leave.
const MAX_CONNECTIONS: usize = 50_000;

/// A TLS connection whose writes do not wait forever.
pub(crate) type Secure = TlsStream<Pin<Box<TimeoutStream<TcpStream>>>>;

/// Where connections come from, and which hubs they may be for.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) hosts: Hosts,
    pub(crate) stop: CancellationToken,
}

impl Door {
    /// Lets every connection be spoken on by `converse`, in a task of its own, until it ends or everything stops. The
    /// hub it is for comes with it, when the server name says so or there is no other.
    pub(crate) async fn serve<C, F>(self, converse: C)
    where
        C: Fn(Secure, Option<Arc<Service>>) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { listener, tls, hosts, stop } = self;
        let limits = Limits::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = limits.next(&listener) => accepted,
            };
            match accepted {
                Ok((stream, open)) => {
                    let (tls, hosts) = (Arc::clone(&tls), hosts.clone());
                    let turns = Arc::clone(&limits.handshakes);
                    let arrival = Arrival { stream, open, turns, tls, hosts };
                    let (stop, converse) = (stop.clone(), converse.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = arrival.converse(converse) => {}
                            () = stop.cancelled() => {}
                        }
                    });
                }
                // Out of file descriptors, most likely: give those that are open time to close.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// How many may be let in.
struct Limits {
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Limits {
    fn new() -> Self {
        let limit = |most| Arc::new(Semaphore::new(most));
        Self { handshakes: limit(MAX_HANDSHAKES), connections: limit(MAX_CONNECTIONS) }
    }

    async fn next(&self, listener: &TcpListener) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let open = Arc::clone(&self.connections).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await?;
        Ok((stream, open))
    }
}

/// A connection before its handshake.
struct Arrival {
    stream: TcpStream,
    /// For as long as it is open.
    open: OwnedSemaphorePermit,
    turns: Arc<Semaphore>,
    tls: Arc<ServerConfig>,
    hosts: Hosts,
}

impl Arrival {
    async fn converse<C, F>(self, converse: C)
    where
        C: Fn(Secure, Option<Arc<Service>>) -> F,
        F: Future<Output = ()>,
    {
        let Self { stream, open: _open, turns, tls, hosts } = self;
        if hosts.all_refuse() {
            return;
        }
        if let Some((stream, known)) = shake_hands(stream, &turns, tls, &hosts).await {
            converse(stream, known).await;
        }
    }
}

/// The connection and the hub it is for; `None` when the handshake fails or that hub is closed.
async fn shake_hands(
    stream: TcpStream,
    turns: &Semaphore,
    tls: Arc<ServerConfig>,
    hosts: &Hosts,
) -> Option<(Secure, Option<Arc<Service>>)> {
    let _undelayed = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALLED));
    let hello = LazyConfigAcceptor::new(Acceptor::default(), Box::pin(stream));
    let start = tokio::time::timeout(HANDSHAKE, hello).await.ok()?.ok()?;
    let named = || hosts.named(start.client_hello().server_name()?);
    let known = hosts.only().or_else(named).cloned();
    if known.as_ref().is_some_and(|service| service.control.refusing()) {
        return None;
    }
    let _turn = turns.acquire().await.ok()?;
    let shaken = tokio::time::timeout(HANDSHAKE, start.into_stream(tls)).await.ok()?;
    Some((shaken.ok()?, known))
}
