//! HTTP/1.1 on TLS connections, and what they may change into.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::HOST;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use super::{Answer, Service, websocket};
use crate::accept::{Door, Secure};
use crate::control::ConnectionGuard;
use crate::error::{ErrorCode, HubError};
use crate::hosts::{Hosts, begins_refusing};
use crate::mqtt;

/// How long a client may take for the head of a request, and let a connection rest between two. The service says that
/// it runs on HTTP.sys, whose limit this is unless it is told otherwise (inferred).
const HEAD_OR_REST: Duration = Duration::from_secs(120);

/// Largest head of a request, in bytes, and how much is read ahead of what is being handled.
const MAX_HEAD: usize = 64 * 1024;

/// Serves the service API of the hubs behind a listener until everything stops.
pub(crate) async fn serve(door: Door) {
    let hosts = door.hosts.clone();
    door.serve(move |stream, known| Connection::new(hosts.clone(), known).converse(stream)).await;
}

/// One TLS connection. Every request on it may be for another hub.
struct Connection {
    hosts: Hosts,
    /// The hub that the server name is of, or the only one.
    known: Option<Arc<Service>>,
    counted: OnceLock<ConnectionGuard>,
    cut: CancellationToken,
    upgrade: Mutex<Option<(OnUpgrade, Arc<Service>)>>,
}

impl Connection {
    fn new(hosts: Hosts, known: Option<Arc<Service>>) -> Self {
        let (counted, cut, upgrade) = (OnceLock::new(), CancellationToken::new(), Mutex::default());
        Self { hosts, known, counted, cut, upgrade }
    }

    async fn converse(mut self, stream: Secure) {
        let known = self.known.as_ref().map(|service| Arc::clone(&service.control));
        tokio::select! {
            () = self.speak_http(stream) => {}
            () = begins_refusing(known.as_deref()) => return,
        }
        // Here, and not in a task of its own: what ends the TLS connection ends this too.
        let upgrade = self.upgrade.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        drop(self.counted.take());
        let Some((agreed, service)) = upgrade else { return };
        if let Some(stream) = websocket::stream(agreed).await {
            mqtt::converse(stream, Hosts::new(vec![Arc::clone(&service)]), Some(service)).await;
        }
    }

    async fn speak_http(&self, stream: Secure) {
        if let Some(service) = &self.known {
            self.count(service);
        }
        let per_request = service_fn(|request| async { Ok::<_, Infallible>(self.answer(request).await) });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_OR_REST).max_buf_size(MAX_HEAD);
        tokio::select! {
            ended = http.serve_connection(TokioIo::new(stream), per_request).with_upgrades() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
            }
            () = self.cut.cancelled() => {}
        }
    }

    /// Of the hub that is asked first, when that shows no earlier.
    fn count(&self, service: &Service) {
        self.counted.get_or_init(|| service.control.connection());
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(service) = self.asked(&request) else { return nobody(&request).into_response() };
        self.count(&service);
        match websocket::is_asked(&request) {
            true => self.change(request, service),
            false => service.handle(request, self.cut.clone()).await,
        }
    }

    /// The hub that a request names; one that names none is for whom the connection is for.
    fn asked(&self, request: &Request<Incoming>) -> Option<Arc<Service>> {
        let service = match host(request) {
            Some(host) => self.hosts.named(host),
            None => self.known.as_ref(),
        };
        service.cloned()
    }

    fn change(&self, request: Request<Incoming>, service: Arc<Service>) -> Response<Full<Bytes>> {
        match websocket::open(request) {
            Ok((response, agreed)) => {
                *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some((agreed, service));
                response.map(Full::new)
            }
            Err(error) => websocket::refusal(&error).into_response(),
        }
    }
}

fn host(request: &Request<Incoming>) -> Option<&str> {
    let named = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    request.uri().authority().map(|authority| authority.as_str()).or_else(named)
}

/// What is said to a request for a hub that is not here: no client gets that far on the real service, whose names
/// would not resolve; of its codes this is the one that says so (documented; that it comes here is inferred).
fn nobody(request: &Request<Incoming>) -> Answer {
    let host = host(request).unwrap_or_default();
    tracing::info!(host, "a request names no hub of this address");
    Answer::refused(&HubError::new(ErrorCode::IotHubNotFound, format!("IoT Hub {host} not found")))
}
