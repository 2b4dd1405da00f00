//! HTTP/1.1 on TLS connections, and what they may change into.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{Service, websocket};
use crate::accept::Door;
use crate::mqtt;

/// Serves a hub's service API until everything stops.
pub(crate) async fn serve(door: Door, service: Arc<Service>) {
    door.serve(move |stream| connection(stream, Arc::clone(&service))).await;
}

async fn connection(stream: TlsStream<TcpStream>, service: Arc<Service>) {
    let upgrade = Upgrade::default();
    speak_http(stream, &service, &upgrade).await;
    // Here, and not in a task of its own: what ends the TLS connection ends this too.
    let Some(agreed) = upgrade.take() else { return };
    if let Some(stream) = websocket::stream(agreed).await {
        mqtt::converse(stream, Arc::clone(&service.hub), Arc::clone(&service.control)).await;
    }
}

async fn speak_http(stream: TlsStream<TcpStream>, service: &Arc<Service>, upgrade: &Upgrade) {
    let _counted = service.control.connection();
    let cut = CancellationToken::new();
    let per_request = service_fn(|request| {
        let (service, cut) = (Arc::clone(service), cut.clone());
        async move {
            Ok::<_, Infallible>(match websocket::is_asked(&request) {
                true => upgrade.answer(request),
                false => service.handle(request, cut).await,
            })
        }
    });
    let mut http = http1::Builder::new();
    let http = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), per_request);
    tokio::select! {
        ended = http.with_upgrades() => if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        },
        () = cut.cancelled() => {}
    }
}

/// What a connection is to become once HTTP has ended on it.
#[derive(Default)]
struct Upgrade(Mutex<Option<OnUpgrade>>);

impl Upgrade {
    fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match websocket::open(request) {
            Ok((response, agreed)) => {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(agreed);
                response.map(Full::new)
            }
            Err(error) => websocket::refusal(&error).into_response(),
        }
    }

    fn take(&self) -> Option<OnUpgrade> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
