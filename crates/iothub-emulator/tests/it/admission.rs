//! Which CONNECT is let in, and which packets are out of place.

use super::over_tls::World;
use super::raw::{Connect, packet, text};
use super::signatures::{in_seconds, token};
use super::*;
use reqwest::Method;

/// The code of a CONNACK that lets in.
const ACCEPTED: Option<u8> = Some(0);

/// The code of the CONNACK alone.
fn code(answer: Option<[u8; 2]>) -> Option<u8> {
    answer.map(|[_, code]| code)
}

async fn world_with_device() -> World {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    world
}

#[tokio::test]
async fn other_versions_of_the_protocol_are_told_so() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    for (name, level) in [("MQIsdp", 3), ("MQTT", 3), ("MQTT", 5)] {
        let connect = Connect { name, level, ..Connect::with("d", &pass) };
        assert_eq!(world.connack(&connect).await.1, Some([0, 1]), "{name} {level}");
    }
    let connect = Connect { name: "AMQP", ..Connect::with("d", &pass) };
    assert_eq!(world.connack(&connect).await.1, None);
}

#[tokio::test]
async fn the_client_id_must_be_that_of_the_user_name() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    for client_id in ["", "e", "d/m"] {
        assert_eq!(world.connack(&Connect::with(client_id, &pass)).await.1, Some([0, 2]), "{client_id}");
    }
}

#[tokio::test]
async fn no_password_a_wrong_one_and_another_hubs_name_are_not_authorised() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let user_name = "secondary.azure-devices.net/d/?api-version=2021-04-12";
    for wrong in [
        Connect { password: "", ..Connect::with("d", &pass) },
        Connect {
            password: "SharedAccessSignature sr=x&sig=eA==&se=9999999999",
            ..Connect::with("d", &pass)
        },
        Connect { user_name, ..Connect::with("d", &pass) },
    ] {
        assert_eq!(world.connack(&wrong).await.1, Some([0, 5]));
    }
}

#[tokio::test]
async fn the_host_may_be_written_with_either_port_or_without() {
    let world = world_with_device().await;
    let mqtt = world.running.ready["hubs"][0]["mqtt"].as_u64().unwrap();
    for host in
        [world.host().to_owned(), format!("127.0.0.1:{mqtt}"), "127.0.0.1".to_owned(), "PRIMARY".to_owned()]
    {
        let mut pass = world.policy_pass("d");
        pass.user_name = pass.user_name.replacen(world.host(), &host, 1);
        let resource = format!("{host}%2Fdevices%2Fd").replace(':', "%3A");
        pass.password = token(&resource, world.owner_key(), in_seconds(60), Some("iothubowner"));
        assert_eq!(code(world.connack(&Connect::with("d", &pass)).await.1), ACCEPTED, "{host}");
    }
    let mut pass = world.policy_pass("d");
    pass.user_name = pass.user_name.replacen(world.host(), "127.0.0.1:1", 1);
    assert_eq!(world.connack(&Connect::with("d", &pass)).await.1, Some([0, 5]));
}

#[tokio::test]
async fn a_will_is_taken_and_flags_that_contradict_each_other_are_not() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let will = Some(("devices/d/messages/events/", "gone"));
    let (mut raw, answer) = world.connack(&Connect { flags: 0xcc, will, ..Connect::with("d", &pass) }).await;
    assert_eq!(code(answer), ACCEPTED);
    raw.send(&[0xc0, 0]).await;
    assert_eq!(raw.receive(2).await.unwrap(), [0xd0, 0]);
    for flags in [0xc1, 0xc8, 0xe0, 0x40, 0xdc] {
        assert_eq!(world.connack(&Connect { flags, ..Connect::with("d", &pass) }).await.1, None, "{flags:x}");
    }
}

#[tokio::test]
async fn what_is_out_of_place_closes_the_connection() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let subscribe = |id: [u8; 2], qos: u8| [&id[..], &text("$iothub/twin/res/#"), &[qos]].concat();
    let mut message = text("devices/d/messages/events/");
    message.extend([0, 0]);
    for (what, bytes) in [
        ("a second CONNECT", packet(0x10, &text("MQTT"))),
        ("no filter", packet(0x82, &[0, 1])),
        ("no packet id", packet(0x82, &subscribe([0, 0], 0))),
        ("an unknown quality of service", packet(0x82, &subscribe([0, 1], 3))),
        ("a message without a packet id", packet(0x32, &message)),
        ("quality of service 2", packet(0x34, &[&text("devices/d/messages/events/")[..], &[0, 1]].concat())),
        ("another device's telemetry", packet(0x30, &text("devices/e/messages/events/"))),
        ("an unknown packet", vec![0xf0, 0]),
    ] {
        let (mut raw, answer) = world.connack(&Connect::with("d", &pass)).await;
        assert_eq!(code(answer), ACCEPTED, "{what}");
        raw.send(&bytes).await;
        assert!(raw.closed().await, "{what}");
    }
    let mut raw = world.raw().await;
    raw.send(&[0xc0, 0]).await;
    assert!(raw.closed().await, "a PINGREQ before the CONNECT");
}

#[tokio::test]
async fn a_message_is_acknowledged_also_when_it_is_sent_again() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let (mut raw, _) = world.connack(&Connect::with("d", &pass)).await;
    let mut message = text("devices/d/messages/events/a=b");
    message.extend([1, 2, b'h', b'i']);
    for first in [0x32, 0x3a] {
        raw.send(&packet(first, &message)).await;
        assert_eq!(raw.receive(4).await.unwrap(), [0x40, 2, 1, 2]);
    }
}

#[tokio::test]
async fn a_device_that_is_silent_for_longer_than_it_said_is_disconnected() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let (mut raw, answer) = world.connack(&Connect { keep_alive: 1, ..Connect::with("d", &pass) }).await;
    assert_eq!(code(answer), ACCEPTED);
    assert!(raw.closed().await);
}

#[tokio::test]
async fn a_device_that_is_disabled_or_deleted_is_disconnected_and_stays_out() {
    let world = world_with_device().await;
    let pass = world.policy_pass("d");
    let (mut raw, _) = world.connack(&Connect::with("d", &pass)).await;
    let disabled = json!({"deviceId": "d", "status": "disabled"});
    assert_eq!(world.send(Method::PUT, "/devices/d", Some("*"), disabled).await.status(), 200);
    assert!(raw.closed().await);
    assert_eq!(world.connack(&Connect::with("d", &pass)).await.1, Some([0, 5]));
    assert_eq!(world.send(Method::PUT, "/devices/d", Some("*"), json!({})).await.status(), 200);
    let (mut raw, answer) = world.connack(&Connect::with("d", &pass)).await;
    assert_eq!(code(answer), ACCEPTED);
    world.send(Method::DELETE, "/devices/d", Some("*"), Value::Null).await;
    assert!(raw.closed().await);
    assert_eq!(world.connack(&Connect::with("d", &pass)).await.1, Some([0, 5]));
}

#[tokio::test]
async fn an_expired_token_closes_the_connection_when_the_clocks_may_no_longer_differ() {
    let world = world_with_device().await;
    let mut pass = world.policy_pass("d");
    let resource = format!("{}%2Fdevices%2Fd", world.host().replace(':', "%3A"));
    // Expired for as long as clocks may differ, less the moment that this takes.
    pass.password = token(&resource, world.owner_key(), in_seconds(-298), Some("iothubowner"));
    let (mut raw, answer) = world.connack(&Connect::with("d", &pass)).await;
    assert_eq!(code(answer), ACCEPTED);
    assert!(raw.closed().await);
    assert_eq!(world.connack(&Connect::with("d", &pass)).await.1, Some([0, 5]));
}

#[tokio::test]
async fn a_user_name_without_a_question_mark_is_let_in_and_a_model_shows_in_the_twin() {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    let model = async || -> Value {
        let twin = world.send(Method::GET, "/twins/d", None, Value::Null).await;
        twin.json::<Value>().await.unwrap()["modelId"].clone()
    };
    let mut pass = world.policy_pass("d");
    pass.user_name = format!("{}/d/api-version=2016-11-14&DeviceClientType=iothubclient%2f1.1", world.host());
    world.connect("d", &pass).await.unwrap().leave().await;
    assert_eq!(model().await, "");
    pass.user_name = format!("{}/d/?api-version=2020-09-30&model-id=dtmi%3Acontoso%3Apump%3B1", world.host());
    world.connect("d", &pass).await.unwrap().leave().await;
    assert_eq!(model().await, "dtmi:contoso:pump;1");
    world.connect("d", &world.policy_pass("d")).await.unwrap().leave().await;
    assert_eq!(model().await, "dtmi:contoso:pump;1", "who says nothing of it keeps it");
}
