//! Sessions as a device.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;

use super::broker::{Broker, Manner};
use super::*;

const APPLIED: Manner = Manner::Answer("$iothub/twin/res/204/?$rid=1&$version=8", "");

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

fn patch() -> Object {
    object(json!({"fw": "1.3", "old": null}))
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

async fn one(manners: &'static [Manner]) -> (Result<u64, HubError>, Vec<Vec<super::broker::Packet>>) {
    let broker = Broker::start(manners).await;
    let outcome = broker.client(Limits::default()).patch_reported(&pump(), &patch(), 7, soon()).await;
    (outcome, broker.received())
}

#[tokio::test]
async fn a_patch_is_one_session_that_subscribes_first_and_says_goodbye() {
    let broker = Broker::start(&[APPLIED]).await;
    let id: IdentityId = "pump-17/m".parse().unwrap();
    let version = broker.client(Limits::default()).patch_reported(&id, &patch(), 7, soon()).await;
    assert_eq!(version.unwrap(), 8);
    let finished = async {
        while broker.received()[0].len() < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), finished).await.unwrap();
    let packets = broker.received().remove(0);
    assert_eq!(packets.iter().map(|(first, _)| first >> 4).collect::<Vec<_>>(), [1, 8, 3, 14]);
    let connect = &packets[0].1;
    assert_eq!(connect[7], 0b1100_0010, "user name, password, clean session");
    assert!(has(connect, "pump-17/m"));
    assert!(has(connect, "127.0.0.1:1/pump-17/m/?api-version=2021-04-12"));
    assert!(has(connect, "SharedAccessSignature sr=127.0.0.1%3A1&sig="));
    assert!(has(connect, "&skn=hadr"));
    assert!(has(&packets[1].1, "$iothub/twin/res/#"));
    assert!(has(&packets[2].1, "$iothub/twin/PATCH/properties/reported/?$rid=1&$version=7"));
    assert!(has(&packets[2].1, r#"{"fw":"1.3","old":null}"#));
}

#[tokio::test]
async fn the_token_is_the_hubs_whatever_characters_the_device_has_in_its_id() {
    let broker = Broker::start(&[APPLIED]).await;
    let id: IdentityId = "a@b#c%d+e?f".parse().unwrap();
    broker.client(Limits::default()).patch_reported(&id, &patch(), 7, soon()).await.unwrap();
    let connect = broker.received().remove(0).remove(0).1;
    assert!(has(&connect, "SharedAccessSignature sr=127.0.0.1%3A1&sig="));
    assert!(has(&connect, "127.0.0.1:1/a@b#c%d+e?f/?api-version=2021-04-12"));
}

#[tokio::test]
async fn the_status_of_the_answer_is_believed() {
    const STALE: Manner = Manner::Answer("$iothub/twin/res/412/?$rid=1", r#"{"errorCode":412001}"#);
    const BAD: Manner =
        Manner::Answer("$iothub/twin/res/400/?$rid=1", r#"{"errorCode":400004,"trackingId":"t"}"#);
    const OLD: Manner = Manner::Answer("$iothub/twin/res/204/?$rid=1", "");
    assert_eq!(one(&[STALE]).await.0.unwrap_err().kind, HubErrorKind::Stale);
    let error = one(&[BAD]).await.0.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (HubErrorKind::Rejected, Some("400004")));
    assert_eq!(one(&[OLD]).await.0.unwrap_err().kind, HubErrorKind::Malformed);
}

#[tokio::test]
async fn a_refused_connection_is_denied_and_not_repeated() {
    for code in [&[Manner::Refuse(4)], &[Manner::Refuse(5)]] {
        let (outcome, sessions) = one(code).await;
        assert_eq!(outcome.unwrap_err().kind, HubErrorKind::Denied);
        assert_eq!(sessions.len(), 1);
    }
}

#[tokio::test]
async fn a_busy_hub_is_tried_again() {
    let (outcome, sessions) = one(&[Manner::Refuse(3), APPLIED]).await;
    assert_eq!((outcome.unwrap(), sessions.len()), (8, 2));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_precondition() {
    const STALE: Manner = Manner::Answer("$iothub/twin/res/412/?$rid=1", "{}");
    let (outcome, sessions) = one(&[Manner::Close, STALE]).await;
    assert_eq!(outcome.unwrap_err().kind, HubErrorKind::Stale);
    assert_eq!(sessions.len(), 2);
}

#[tokio::test]
async fn a_session_ends_at_the_deadline_and_does_not_reconnect() {
    let broker = Broker::start(&[Manner::Silence]).await;
    let deadline = Deadline::after(Duration::from_millis(400));
    let started = Instant::now();
    let outcome = broker.client(Limits::default()).patch_reported(&pump(), &patch(), 7, deadline).await;
    assert_eq!(outcome.unwrap_err().kind, HubErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(broker.received().len(), 1);
}

#[tokio::test]
async fn patches_of_one_device_take_turns_and_all_are_answered() {
    let broker = Broker::start(&[APPLIED]).await;
    let client = broker.client(Limits { device_sessions: 2, ..Limits::default() });
    let (id, patch) = (pump(), patch());
    let patches = (0..6).map(|_| {
        let (client, id, patch) = (client.clone(), id.clone(), patch.clone());
        tokio::spawn(async move { client.patch_reported(&id, &patch, 7, soon()).await })
    });
    let outcomes = join_all(patches).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Ok(8)))), "{outcomes:?}");
    assert_eq!(client.calls().reported_writes, 6);
}

#[tokio::test]
async fn a_patch_larger_than_a_packet_is_refused_here() {
    let broker = Broker::start(&[APPLIED]).await;
    let patch = object(json!({"a": "x".repeat(300_000)}));
    let outcome = broker.client(Limits::default()).patch_reported(&pump(), &patch, 7, soon()).await;
    assert_eq!(outcome.unwrap_err().kind, HubErrorKind::Rejected);
    assert!(broker.received().is_empty());
}
