//! TLS connections as a hub takes them, whatever is spoken on them.

use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::control::HubControl;

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where connections come from and what may end them.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) control: Arc<HubControl>,
    pub(crate) stop: CancellationToken,
}

impl Door {
    /// Lets every connection be spoken on by `converse`, in a task of its own, until it ends, the hub begins to
    /// refuse, or everything stops.
    pub(crate) async fn serve<C, F>(self, converse: C)
    where
        C: Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (acceptor, control) = (self.acceptor.clone(), Arc::clone(&self.control));
                    tokio::spawn(connection(stream, acceptor, control, self.stop.clone(), converse.clone()));
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

async fn connection<C, F>(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    control: Arc<HubControl>,
    stop: CancellationToken,
    converse: C,
) where
    C: Fn(TlsStream<TcpStream>) -> F,
    F: Future<Output = ()>,
{
    if control.refusing() {
        return;
    }
    let _undelayed = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    tokio::select! {
        () = converse(stream) => {}
        () = control.begins_refusing() => {}
        () = stop.cancelled() => {}
    }
}
