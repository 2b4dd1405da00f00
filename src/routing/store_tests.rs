//! Compare-and-swap against a storage whose answers get lost.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::record::{Promotion, PromotionKind, RoutingRecord};
use super::store::{RecordError, RecordStore};
use super::transition::begin_promotion;
use super::{HubRole, LeaseKeeper, NoLease, authorship, first_start, init};
use crate::routing::Genesis;
use crate::storage::Account;

/// Blobs by path, each with the number of its write; and how many answers to writes get lost.
#[derive(Default)]
struct Blobs {
    blobs: HashMap<String, (u64, Bytes)>,
    writes: u64,
    lost: u64,
}

type Shared = Arc<Mutex<Blobs>>;

async fn serve(State(blobs): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    let mut storage = blobs.lock().unwrap();
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

async fn storage() -> (RecordStore, Shared) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let blobs = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(serve).with_state(blobs.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let text = format!("AccountName=a;AccountKey=YWI=;BlobEndpoint=http://{address}/a");
    (RecordStore::new(&Account::from_connection_string(&text).unwrap(), "app"), blobs)
}

fn genesis() -> RoutingRecord {
    RoutingRecord::genesis(1, HubRole::Primary, Duration::from_secs(15), authorship("test", "first"))
}

fn promoting(record: &RoutingRecord) -> RoutingRecord {
    let promotion = Promotion { to: HubRole::Secondary, kind: PromotionKind::Planned };
    begin_promotion(record, promotion, authorship("test", "promote")).unwrap()
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised_by_its_nonce() {
    let (store, blobs) = storage().await;
    let first = store.create(genesis()).await.unwrap();
    blobs.lock().unwrap().lost = 1;
    let next = promoting(&first.record);
    let stored = store.replace(next.clone(), &first.etag).await.unwrap();
    assert_eq!(stored.record, next);
    assert_eq!(blobs.lock().unwrap().writes, 2, "applied once");
}

#[tokio::test]
async fn a_decision_on_a_record_that_has_changed_is_dropped() {
    let (store, _) = storage().await;
    let first = store.create(genesis()).await.unwrap();
    store.replace(promoting(&first.record), &first.etag).await.unwrap();
    assert_eq!(store.replace(promoting(&first.record), &first.etag).await, Err(RecordError::Lost));
    assert_eq!(store.create(genesis()).await, Err(RecordError::Lost));
}

#[tokio::test]
async fn a_first_start_makes_epoch_1_once_and_a_lost_record_only_init_makes_again() {
    let (store, blobs) = storage().await;
    let lease = Duration::from_secs(15);
    let (one, other) = tokio::join!(first_start(&store, lease, "one"), first_start(&store, lease, "other"));
    let made = [one.unwrap(), other.unwrap()];
    assert_eq!(made.iter().filter(|genesis| matches!(genesis, Genesis::Created(_))).count(), 1);
    let keeper = LeaseKeeper::new(store.clone());
    assert_eq!(keeper.acquire(Duration::ZERO).await.unwrap().epoch, 1);
    blobs.lock().unwrap().blobs.retain(|path, _| !path.contains("routing-record"));
    assert!(matches!(first_start(&store, lease, "third").await, Ok(Genesis::NeedsInit(_))));
    let fresh = LeaseKeeper::new(store.clone());
    assert_eq!(fresh.acquire(Duration::ZERO).await.err(), Some(NoLease::NoRecord));
    let Ok(Genesis::Created(again)) = init(&store, lease, None, "operator").await else { unreachable!() };
    assert_eq!((again.record.epoch, again.record.active), (2, HubRole::Primary));
    assert_eq!(fresh.acquire(Duration::ZERO).await.unwrap().epoch, 2);
}
