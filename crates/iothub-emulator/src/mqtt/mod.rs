//! The device protocol.

use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::control::HubControl;
use crate::store::Hub;

/// Serves a hub's device protocol until `stop`.
pub async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    hub: Arc<Hub>,
    control: Arc<HubControl>,
    stop: CancellationToken,
) {
    let _ = (listener, acceptor, hub, control);
    stop.cancelled().await;
}
