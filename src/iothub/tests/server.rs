//! An HTTPS server that answers what a test wants and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response};
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: bytes::Bytes,
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) network: Network,
    pub(super) connections: Arc<AtomicUsize>,
    freezes: Arc<Mutex<Duration>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    connections: Arc<AtomicUsize>,
    freezes: Arc<Mutex<Duration>>,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            stream.readable().await.unwrap();
            freeze(*self.freezes.lock().unwrap());
            let Ok(stream) = self.acceptor.accept(stream).await else { continue };
            self.connections.fetch_add(1, Ordering::SeqCst);
            return (stream, address);
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Server {
    /// Answers the nth request (from 0) with `answer(n, …)`.
    pub(super) async fn start<F>(answer: impl Fn(usize, Asked) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let (acceptor, network) = trust();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let handler = axum::Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let asked = Asked {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                headers: parts.headers,
                body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
            };
            let n = {
                let mut log = log.lock().unwrap();
                log.push(asked.clone());
                log.len() - 1
            };
            answer(n, asked).await
        });
        let freezes = Arc::new(Mutex::new(Duration::ZERO));
        let tls = Tls { listener, acceptor, connections: connections.clone(), freezes: freezes.clone() };
        tokio::spawn(axum::serve(tls, handler).into_future());
        Self { port, network, connections, freezes, asked }
    }

    pub(super) fn client(&self) -> HubClient {
        self.client_with(Limits::default())
    }

    pub(super) fn client_with(&self, limits: Limits) -> HubClient {
        HubClient::new(settings(self.port), &self.network, limits).unwrap()
    }

    /// From now on the whole process is frozen for so long whenever a client has begun TLS.
    pub(super) fn freeze_in_tls(&self, long: Duration) {
        *self.freezes.lock().unwrap() = long;
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

pub(super) fn answer(status: u16, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}

/// An answer of the hub's own, with the error's name in the header.
pub(super) fn refusal(status: u16, code: &str) -> Response<Body> {
    let body = format!(r#"{{"Message":"ErrorCode:{code};text","ExceptionMessage":"Tracking ID:t1"}}"#);
    Response::builder().status(status).header("iothub-errorcode", code).body(body.into()).unwrap()
}

/// The twin of the device or module that the path names.
pub(super) fn twin(path: &str) -> Response<Body> {
    let mut segments = path.split('/').skip(2);
    let device = segments.next().unwrap();
    let body = serde_json::json!({"deviceId": device, "moduleId": segments.nth(1), "etag": "AAAAAAAAAAE=",
        "deviceEtag": "MQ==", "version": 2, "properties": {"desired": {"$version": 1}, "reported": {"$version": 1}}});
    answer(200, body.to_string())
}
