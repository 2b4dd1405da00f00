//! Blob storage whose answers get lost.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::storage::Account;

/// Blobs by path, each with the number of its write; and how many answers to writes get lost.
#[derive(Default)]
pub(super) struct Blobs {
    pub(super) blobs: HashMap<String, (u64, Bytes)>,
    pub(super) writes: u64,
    pub(super) lost: u64,
    /// Gives no answer but 503.
    pub(super) away: bool,
    /// Gives no answer at all.
    pub(super) silent: bool,
}

pub(super) type Shared = Arc<Mutex<Blobs>>;

async fn serve(State(blobs): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    if blobs.lock().unwrap().silent {
        std::future::pending::<()>().await;
    }
    let mut storage = blobs.lock().unwrap();
    if storage.away {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "ServerBusy");
    }
    if parts.uri.query().unwrap_or_default().contains("restype=container") {
        return dated(StatusCode::CREATED, 0, Bytes::new());
    }
    let found = storage.blobs.get(&path).cloned();
    match (parts.method, found) {
        (Method::GET, Some((etag, body))) => dated(StatusCode::OK, etag, body),
        (Method::GET, None) => refused(StatusCode::NOT_FOUND, "BlobNotFound"),
        (_, found) if !holds(&parts.headers, found.as_ref().map(|(etag, _)| *etag)) => {
            refused(StatusCode::PRECONDITION_FAILED, "ConditionNotMet")
        }
        _ => {
            storage.writes += 1;
            let write = storage.writes;
            storage.blobs.insert(path, (write, body));
            if storage.lost > 0 {
                storage.lost -= 1;
                return refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
            }
            dated(StatusCode::CREATED, write, Bytes::new())
        }
    }
}

fn holds(headers: &HeaderMap, etag: Option<u64>) -> bool {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    match (header("if-match"), header("if-none-match")) {
        (Some(wanted), _) => etag.is_some_and(|etag| wanted == format!("\"{etag}\"")),
        (None, Some(_)) => etag.is_none(),
        (None, None) => true,
    }
}

fn dated(status: StatusCode, etag: u64, body: Bytes) -> Response {
    let headers =
        [("etag", format!("\"{etag}\"")), ("last-modified", "Tue, 24 Nov 2026 01:00:00 GMT".to_owned())];
    (status, headers, body).into_response()
}

fn refused(status: StatusCode, code: &str) -> Response {
    (status, [("x-ms-error-code", code.to_owned())]).into_response()
}

/// An account of its own.
pub(super) async fn storage() -> (Account, Shared) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let blobs = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(serve).with_state(blobs.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let text = format!("AccountName=a;AccountKey=YWI=;BlobEndpoint=http://{address}/a");
    (Account::from_connection_string(&text).unwrap(), blobs)
}
