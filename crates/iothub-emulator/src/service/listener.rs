//! HTTP/1.1 on TLS connections.

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::Service;
use crate::accept::Door;

/// Serves a hub's service API until everything stops.
pub(crate) async fn serve(door: Door, service: Arc<Service>) {
    door.serve(move |stream| connection(stream, Arc::clone(&service))).await;
}

async fn connection(stream: TlsStream<TcpStream>, service: Arc<Service>) {
    let _counted = service.control.connection();
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
    }
}
