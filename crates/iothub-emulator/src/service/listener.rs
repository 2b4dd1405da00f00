//! TLS connections with HTTP/1.1 on them.

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Service;

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves a hub's service API until `stop`.
pub async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    service: Arc<Service>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&service), stop.clone()));
            }
            // Out of file descriptors, most likely: give those that are open time to close.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    service: Arc<Service>,
    stop: CancellationToken,
) {
    if service.control.refusing() {
        return;
    }
    let _undelayed = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let control = Arc::clone(&service.control);
    let _counted = control.connection();
    let cut = CancellationToken::new();
    let per_request = service_fn(|request| {
        let (service, cut) = (Arc::clone(&service), cut.clone());
        async move { Ok::<_, Infallible>(service.handle(request, cut).await) }
    });
    let http =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), per_request);
    tokio::select! {
        ended = http => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        },
        () = cut.cancelled() => {}
        () = control.begins_refusing() => {}
        () = stop.cancelled() => {}
    }
}
