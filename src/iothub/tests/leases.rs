//! Nothing is sent when the lease is over at that moment, also after a freeze.

use std::time::Duration;

use serde_json::json;

use super::broker::{Broker, Manner};
use super::server::{Asked, Server, twin};
use super::*;
use crate::iothub::fence::{FencedBody, NotSent};
use crate::model::ETag;

const LEASE: Duration = Duration::from_millis(300);
const FREEZE: Duration = Duration::from_millis(600);

/// Time enough, but a lease that ends soon.
fn leased() -> Deadline {
    Deadline::after(Duration::from_secs(30)).fenced(BootTime::now().plus(LEASE))
}

fn over() -> Deadline {
    Deadline::after(Duration::from_secs(30)).fenced(BootTime::now())
}

async fn twins() -> Server {
    Server::start(|_, asked: Asked| async move { twin(&asked.path) }).await
}

fn kinds(session: &[super::broker::Packet]) -> Vec<u8> {
    session.iter().map(|(first, _)| first >> 4).collect()
}

#[tokio::test]
async fn a_session_that_was_frozen_before_its_suback_does_not_publish() {
    let broker = Broker::start(&[Manner::FreezeInSubscribe(FREEZE)]).await;
    let client = broker.client(Limits::default());
    let patch = object(json!({"fw": "1.3"}));
    let error = client.patch_reported(&pump(), &patch, 7, leased()).await.unwrap_err();
    assert_eq!(error.kind, HubErrorKind::LeaseOver, "{error}");
    // Wait until the broker has seen the end of it: then nothing more can come.
    broker.ended(0).await;
    assert_eq!(broker.received().iter().map(|session| kinds(session)).collect::<Vec<_>>(), [[1, 8]]);
}

#[tokio::test]
async fn a_session_that_was_frozen_in_tls_does_not_connect() {
    let broker = Broker::start(&[Manner::FreezeInTls(FREEZE)]).await;
    let client = broker.client(Limits::default());
    let error = client.patch_reported(&pump(), &Object::new(), 7, leased()).await.unwrap_err();
    assert_eq!(error.kind, HubErrorKind::LeaseOver, "{error}");
    broker.ended(0).await;
    assert_eq!(broker.received(), [vec![]]);
    // The hub has done nothing wrong.
    assert!(!client.devices().reachability.is_closed(std::time::Instant::now()));
}

#[tokio::test]
async fn a_request_that_was_frozen_in_tls_is_not_sent() {
    let server = twins().await;
    server.freeze_in_tls(FREEZE);
    let outcome = server.client().patch_twin(&pump(), &Object::new(), &ETag::new("AAE="), leased()).await;
    assert!(outcome.is_err());
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_request_is_not_handed_over_when_the_lease_is_over() {
    let server = twins().await;
    let outcome = server.client().patch_twin(&pump(), &Object::new(), &ETag::new("AAE="), over()).await;
    assert_eq!(outcome.unwrap_err().kind, HubErrorKind::LeaseOver);
    assert_eq!(server.connections.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_that_was_handed_over_in_time_does_not_leave_later() {
    let server = twins().await;
    let url = format!("https://127.0.0.1:{}/twins/pump-17", server.port);
    let send = |deadline| {
        let body = reqwest::Body::wrap(FencedBody::new("{}".into(), deadline));
        server.network.http.patch(&url).body(body).send()
    };
    // A connection that waits in the pool sends the head as soon as it may: with it, or without.
    for _ in 0..2 {
        let error = send(over()).await.unwrap_err();
        let mut causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        assert!(causes.any(|cause| cause.is::<NotSent>()), "{error:?}");
        assert!(send(leased()).await.unwrap().status().is_success());
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.headers["content-length"] == "2"));
    assert!(asked.iter().all(|asked| asked.body == "{}"));
}
