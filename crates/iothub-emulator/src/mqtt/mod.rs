//! The device protocol: MQTT 3.1.1 over TLS or WebSockets, twins and telemetry.

mod answer;
mod packet;
mod session;
mod topic;
mod twin;

use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::accept::Door;
use crate::control::HubControl;
use crate::store::Hub;
use session::Connection;

/// Serves a hub's device protocol until everything stops.
pub(crate) async fn serve(door: Door, hub: Arc<Hub>) {
    let control = Arc::clone(&door.control);
    door.serve(move |stream| converse(stream, Arc::clone(&hub), Arc::clone(&control))).await;
}

/// Speaks with one device until its connection ends, whatever carries the bytes.
pub(crate) async fn converse<S>(stream: S, hub: Arc<Hub>, control: Arc<HubControl>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _counted = control.device_connection();
    let ended = Connection::new(stream, hub, control).run().await;
    tracing::debug!(?ended, "a device left");
}
