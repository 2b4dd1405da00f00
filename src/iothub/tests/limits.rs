//! A tier's limits, and the 429s of a hub that was not asked to keep them.

use std::time::{Duration, Instant};

use serde_json::json;

use super::server::{Asked, Server, answer, twin};
use super::*;

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

async fn identities() -> Server {
    Server::start(|_, _| async { answer(200, json!({"deviceId": "pump-17"}).to_string()) }).await
}

fn at(tier: &str) -> Limits {
    Limits { tier: Some(tier.parse().unwrap()), ..Limits::default() }
}

#[tokio::test]
async fn what_has_no_turn_before_its_deadline_is_not_sent() {
    let server = identities().await;
    let client = server.client_with(at("S1x1"));
    // Half of the active hub's hundred a minute is ours, and a tenth of that may go at once.
    for _ in 0..5 {
        client.identity(&pump(), soon()).await.unwrap();
    }
    let started = Instant::now();
    let error = client.identity(&pump(), Deadline::after(Duration::from_millis(900))).await.unwrap_err();
    assert_eq!(error.kind, HubErrorKind::NoTurn);
    assert!(started.elapsed() < Duration::from_millis(800), "it is known at once");
    assert_eq!(server.asked().len(), 5);
    // The standby is all ours.
    client.is_active(false);
    for _ in 0..5 {
        client.identity(&pump(), soon()).await.unwrap();
    }
}

#[tokio::test]
async fn a_turn_that_was_waited_for_is_good_for_one_request() {
    let server = identities().await;
    let client = server.client_with(at("S1x1"));
    let mut turns = Vec::new();
    for _ in 0..5 {
        turns.push(client.turn(OperationClass::RegistryRead, soon()).await.unwrap());
    }
    let late = Deadline::after(Duration::from_millis(300));
    assert_eq!(client.identity(&pump(), late).await.unwrap_err().kind, HubErrorKind::NoTurn);
    for client in turns {
        client.identity(&pump(), soon()).await.unwrap();
        let again = client.identity(&pump(), Deadline::after(Duration::from_millis(300))).await;
        assert_eq!(again.unwrap_err().kind, HubErrorKind::NoTurn);
    }
}

#[tokio::test]
async fn one_calls_429_stops_all_that_want_the_same_and_nobody_else() {
    let server = Server::start(|n, asked: Asked| async move {
        match n {
            0 => answer(
                429,
                r#"{"Message":"ErrorCode:ThrottlingBacklogTimeout;Wait 2 seconds and try again."}"#,
            ),
            _ if asked.path.starts_with("/devices/") => {
                answer(200, json!({"deviceId": "pump-17"}).to_string())
            }
            _ => twin(&asked.path),
        }
    })
    .await;
    let client = server.client();
    let started = Instant::now();
    let refused = client.twin(&pump(), Deadline::after(Duration::from_secs(1))).await.unwrap_err();
    assert_eq!(refused.kind, HubErrorKind::Throttled);
    client.identity(&pump(), soon()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "another class goes on");
    client.twin(&"d2".parse().unwrap(), soon()).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(server.asked().len(), 3);
}
