//! What devices may listen to, and for how long.

use super::over_tls::World;
use super::raw::{Connect, Raw, packet, text};
use super::*;
use reqwest::Method;

const RESPONSES: &str = "$iothub/twin/res/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

async fn world_with_device() -> World {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    world
}

/// The codes of the SUBACK.
async fn subscribe(raw: &mut Raw, filters: &[(&str, u8)]) -> Vec<u8> {
    let filters = filters.iter().flat_map(|(filter, qos)| [text(filter), vec![*qos]].concat());
    let body: Vec<u8> = [0, 7].into_iter().chain(filters).collect();
    raw.send(&packet(0x82, &body)).await;
    let head = raw.receive(4).await.unwrap();
    assert_eq!([head[0], head[2], head[3]], [0x90, 0, 7]);
    raw.receive(usize::from(head[1]) - 2).await.unwrap()
}

/// The topic of the next message.
async fn topic(raw: &mut Raw) -> String {
    let head = raw.receive(4).await.unwrap();
    assert_eq!(head[0], 0x30);
    let topic = raw.receive(usize::from(head[3])).await.unwrap();
    raw.receive(usize::from(head[1]) - 2 - topic.len()).await.unwrap();
    String::from_utf8(topic).unwrap()
}

async fn get_twin(raw: &mut Raw) -> String {
    raw.send(&packet(0x30, &text("$iothub/twin/GET/?$rid=1"))).await;
    topic(raw).await
}

#[tokio::test]
async fn quality_of_service_is_granted_up_to_1() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let (mut raw, _) = world.connack(&Connect::with("d", &pass)).await;
    let codes = subscribe(&mut raw, &[(RESPONSES, 0), (DESIRED, 1), (RESPONSES, 2)]).await;
    assert_eq!(codes, [0, 1, 1]);
}

#[tokio::test]
async fn methods_and_messages_are_refused_and_twins_go_on() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let (mut raw, _) = world.connack(&Connect::with("d", &pass)).await;
    let refused = [
        "$iothub/methods/POST/#",
        "devices/d/messages/devicebound/#",
        "#",
        "devices/e/messages/devicebound/#",
    ];
    let asked: Vec<(&str, u8)> = refused.into_iter().chain([RESPONSES]).map(|filter| (filter, 1)).collect();
    assert_eq!(subscribe(&mut raw, &asked).await, [0x80, 0x80, 0x80, 0x80, 1]);
    assert_eq!(get_twin(&mut raw).await, "$iothub/twin/res/200/?$rid=1");
}

#[tokio::test]
async fn subscriptions_outlive_a_connection_that_asked_for_that_and_no_other() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let lasting = Connect::with("d", &pass);
    let (mut raw, answer) = world.connack(&lasting).await;
    assert_eq!(answer, Some([0, 0]));
    subscribe(&mut raw, &[(RESPONSES, 1), (DESIRED, 1)]).await;
    raw.send(&[0xe0, 0]).await;
    assert!(raw.closed().await);
    let (mut raw, answer) = world.connack(&lasting).await;
    assert_eq!(answer, Some([1, 0]), "the session is present");
    assert_eq!(get_twin(&mut raw).await, "$iothub/twin/res/200/?$rid=1");
    world.send(Method::PATCH, "/twins/d", None, json!({"properties": {"desired": {"a": 1}}})).await;
    assert_eq!(topic(&mut raw).await, "$iothub/twin/PATCH/properties/desired/?$version=2");
    let clean = Connect { flags: 0xc2, ..Connect::with("d", &pass) };
    assert_eq!(world.connack(&clean).await.1, Some([0, 0]));
    assert_eq!(world.connack(&lasting).await.1, Some([0, 0]), "a clean session leaves none");
}

#[tokio::test]
async fn what_is_unsubscribed_stays_so_and_a_device_made_again_begins_with_nothing() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let (mut raw, _) = world.connack(&Connect::with("d", &pass)).await;
    subscribe(&mut raw, &[(RESPONSES, 1), (DESIRED, 1)]).await;
    raw.send(&packet(0xa2, &[&[0, 9], &text(DESIRED)[..]].concat())).await;
    assert_eq!(raw.receive(4).await.unwrap(), [0xb0, 2, 0, 9]);
    let (mut raw, answer) = world.connack(&Connect::with("d", &pass)).await;
    assert_eq!(answer, Some([1, 0]));
    world.send(Method::PATCH, "/twins/d", None, json!({"properties": {"desired": {"a": 1}}})).await;
    assert_eq!(get_twin(&mut raw).await, "$iothub/twin/res/200/?$rid=1");
    world.send(Method::DELETE, "/devices/d", Some("*"), Value::Null).await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    assert_eq!(world.connack(&Connect::with("d", &pass)).await.1, Some([0, 0]));
}
