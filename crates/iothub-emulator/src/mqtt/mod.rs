//! The device protocol: MQTT 3.1.1 over TLS, twins and telemetry.

mod answer;
mod packet;
mod session;
mod topic;
mod twin;

use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::control::HubControl;
use crate::store::Hub;
use session::Connection;

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves a hub's device protocol until `stop`.
pub async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    hub: Arc<Hub>,
    control: Arc<HubControl>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (hub, control) = (Arc::clone(&hub), Arc::clone(&control));
                tokio::spawn(connection(stream, acceptor.clone(), hub, control, stop.clone()));
            }
            // Out of file descriptors, most likely: give those that are open time to close.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a device");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    hub: Arc<Hub>,
    control: Arc<HubControl>,
    stop: CancellationToken,
) {
    if control.refusing() {
        return;
    }
    let _undelayed = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let _counted = control.device_connection();
    let refused = Arc::clone(&control);
    tokio::select! {
        ended = Connection::new(stream, hub, control).run() => tracing::debug!(?ended, "a device left"),
        () = refused.begins_refusing() => {}
        () = stop.cancelled() => {}
    }
}
