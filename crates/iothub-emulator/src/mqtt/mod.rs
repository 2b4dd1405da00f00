//! The device protocol: MQTT 3.1.1 over TLS, twins and telemetry.

mod answer;
mod packet;
mod session;
mod topic;
mod twin;

use std::sync::Arc;

use crate::accept::Door;
use crate::store::Hub;
use session::Connection;

/// Serves a hub's device protocol until everything stops.
pub(crate) async fn serve(door: Door, hub: Arc<Hub>) {
    let control = Arc::clone(&door.control);
    door.serve(move |stream| {
        let (hub, control) = (Arc::clone(&hub), Arc::clone(&control));
        async move {
            let _counted = control.device_connection();
            let ended = Connection::new(stream, hub, control).run().await;
            tracing::debug!(?ended, "a device left");
        }
    })
    .await;
}
