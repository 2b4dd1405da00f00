//! The device protocol: MQTT 3.1.1 over TLS or WebSockets, twins and telemetry.

mod admission;
mod answer;
mod packet;
mod requests;
mod session;
mod topic;
mod twin;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::accept::Door;
use crate::amqp;
use crate::hosts::{Hosts, begins_refusing};
use crate::service::Service;
use packet::{Connect, ConnectCode, Incoming};
use session::Connection;
use wire::{Ended, Wire};

/// How long a client may take from the handshake to its CONNECT.
const PATIENCE: Duration = Duration::from_secs(15);

/// Serves the device protocol of the hubs behind a listener until everything stops.
pub(crate) async fn serve(door: Door) {
    let hosts = door.hosts.clone();
    door.serve(move |stream, known| converse(stream, hosts.clone(), known)).await;
}

/// Speaks with one device until its connection ends, whatever carries the bytes. The hub is that of the user name; the
/// one that the connection is for, if that is known, stands for it until then.
pub(crate) async fn converse<S>(stream: S, hosts: Hosts, known: Option<Arc<Service>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut wire = Wire::new(stream);
    let ended = match arrive(&mut wire, &hosts, known.as_ref()).await {
        Ok(never) => match never {},
        Err(ended) => ended,
    };
    tracing::debug!(?ended, "a device left");
    match ended {
        Ended::Amqp => {
            let (heard, stream) = wire.into_parts();
            amqp::refuse(heard, stream).await;
        }
        _ => wire.close().await,
    }
}

async fn arrive<S>(
    wire: &mut Wire<S>,
    hosts: &Hosts,
    known: Option<&Arc<Service>>,
) -> Result<Infallible, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let counted = known.map(|service| service.control.device_connection());
    let connect = tokio::select! {
        connect = first(wire) => connect?,
        () = begins_refusing(known.map(|service| &*service.control)) => return Err(Ended::ByHub),
    };
    let host = connect.host();
    let Some(service) = hosts.called(host).or(known) else {
        tracing::info!(host, client_id = connect.client_id, "a device names no hub of this address");
        wire.send(packet::connack(ConnectCode::NotAuthorised, false)).await?;
        return Err(Ended::Refused);
    };
    let as_known = known.is_some_and(|known| Arc::ptr_eq(known, service));
    let _counted = counted.filter(|_| as_known).unwrap_or_else(|| service.control.device_connection());
    let (hub, control) = (Arc::clone(&service.hub), Arc::clone(&service.control));
    tokio::select! {
        ended = Connection { wire, hub, control }.run(connect) => ended,
        () = service.control.begins_refusing() => Err(Ended::ByHub),
    }
}

async fn first<S>(wire: &mut Wire<S>) -> Result<Connect, Ended>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match tokio::time::timeout(PATIENCE, wire.next()).await {
        Ok(Ok(Incoming::Connect(connect))) => Ok(connect),
        Ok(Ok(_)) => Err(Ended::Protocol),
        Ok(Err(ended)) => Err(ended),
        Err(_) => Err(Ended::Silent),
    }
}
