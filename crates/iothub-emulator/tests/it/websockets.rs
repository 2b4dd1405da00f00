//! The device protocol over WebSockets.

use super::device::Device;
use super::over_tls::World;
use super::*;
use futures::{SinkExt, StreamExt};
use reqwest::Method;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, Transport};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

const PATH: &str = "/$iothub/websocket";

type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl World {
    /// A TLS connection.
    pub(crate) async fn tls_to(&self, host: &str, port: u16, server_name: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let file = self.running.ready["caFile"].as_str().unwrap();
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(file).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect((host, port)).await.unwrap();
        let name = ServerName::try_from(server_name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    async fn socket(&self, path: &str, protocol: &str) -> Result<Socket, Response<Option<Vec<u8>>>> {
        let mut request = format!("wss://{}{path}", self.host()).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::try_from(protocol).unwrap());
        let port = u16::try_from(self.running.ready["hubs"][0]["https"].as_u64().unwrap()).unwrap();
        let stream = self.tls_to("127.0.0.1", port, "127.0.0.1").await;
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(*response),
            Err(error) => panic!("{error}"),
        }
    }

    /// Lets an MQTT client that knows no WebSockets use one, `chunk` bytes a message.
    async fn bridge(&self, chunk: usize) -> u16 {
        let socket = self.socket(PATH, "mqtt").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (sink, messages) = socket.split();
            let bytes = messages.map(|message| message.map(Message::into_data).map_err(io::Error::other));
            let sink = sink.with(|bytes| futures::future::ok::<_, Error>(Message::Binary(bytes)));
            let mut writer = SinkWriter::new(CopyToBytes::new(sink.sink_map_err(io::Error::other)));
            let (mut up, mut down) = stream.into_split();
            let mut up = tokio::io::BufReader::with_capacity(chunk, &mut up);
            let mut reader = StreamReader::new(bytes);
            tokio::select! {
                _ = tokio::io::copy_buf(&mut up, &mut writer) => {}
                _ = tokio::io::copy(&mut reader, &mut down) => {}
            }
        });
        port
    }

    /// A device that is connected over a WebSocket and listens.
    pub(crate) async fn device_in_a_websocket(&self, id: &str, chunk: usize) -> Device {
        let pass = self.policy_pass(id);
        let mut options = MqttOptions::new(id, ("127.0.0.1", self.bridge(chunk).await));
        options
            .set_transport(Transport::tcp())
            .set_max_packet_size(256 << 10, 256 << 10)
            .set_credentials(pass.user_name, pass.password);
        let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
        let first = events.poll().await.unwrap();
        assert!(matches!(first, Event::Incoming(Packet::ConnAck(_))), "{first:?}");
        let mut device = Device::connected(client, events);
        for filter in ["$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"] {
            assert!(device.subscribe(filter).await);
        }
        device
    }
}

async fn world_with_device() -> World {
    let world = World::start().await;
    world.send(Method::PUT, "/devices/d", None, json!({})).await;
    world
}

#[tokio::test]
async fn a_device_does_in_a_websocket_all_it_does_over_tls() {
    let world = world_with_device().await;
    let mut device = world.device_in_a_websocket("d", 8192).await;
    let large = json!({"a": "x".repeat(3000), "b": "y".repeat(3000)});
    assert_eq!(device.report(&large, None).await.unwrap(), (204, Some(2), Value::Null));
    assert_eq!(device.twin().await.unwrap()["reported"]["$version"], 2);
    world.send(Method::PATCH, "/twins/d", None, json!({"properties": {"desired": {"c": 1}}})).await;
    let (topic, body) = device.message().await.unwrap();
    assert_eq!(topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    assert_eq!(body, json!({"c": 1, "$version": 2}));
}

#[tokio::test]
async fn packets_need_not_begin_where_messages_do() {
    let world = world_with_device().await;
    let mut device = world.device_in_a_websocket("d", 3).await;
    assert_eq!(device.report(&json!({"a": "x".repeat(300)}), None).await.unwrap().0, 204);
}

#[tokio::test]
async fn a_connection_takes_over_from_one_of_the_other_kind() {
    let world = world_with_device().await;
    let mut first = world.device("d").await;
    let mut second = world.device_in_a_websocket("d", 8192).await;
    first.closed().await;
    assert_eq!(second.report(&json!({"a": 1}), None).await.unwrap().0, 204);
    let _third = world.device("d").await;
    second.closed().await;
}

#[tokio::test]
async fn a_websocket_counts_as_a_devices_connection_and_closes_when_its_hub_refuses() {
    let world = world_with_device().await;
    let mut device = world.device_in_a_websocket("d", 8192).await;
    let counted = world.control(Method::GET, "/hubs/primary/connections", Value::Null).await;
    assert_eq!(counted["mqtt"], json!({"open": 1, "opened": 1, "peakOpen": 1}));
    world.control(Method::POST, "/hubs/primary/outage", json!({"mode": "refuse"})).await;
    device.closed().await;
}

#[tokio::test]
async fn trouble_strikes_in_a_websocket_as_it_does_over_tls() {
    let world = world_with_device().await;
    let fault = json!({"method": "MQTT-PATCH", "dropConnection": true, "afterApply": true});
    world.control(Method::POST, "/hubs/primary/faults", fault).await;
    let mut device = world.device_in_a_websocket("d", 8192).await;
    assert!(device.report(&json!({"a": 1}), None).await.is_err());
    let twin: Value = world.send(Method::GET, "/twins/d", None, Value::Null).await.json().await.unwrap();
    assert_eq!(twin["properties"]["reported"]["a"], 1);
    let mut device = world.device_in_a_websocket("d", 8192).await;
    let disabled = json!({"deviceId": "d", "status": "disabled"});
    assert_eq!(world.send(Method::PUT, "/devices/d", Some("*"), disabled).await.status(), 200);
    device.closed().await;
}

#[tokio::test]
async fn a_query_on_the_path_changes_nothing_and_the_subprotocol_is_agreed_on() {
    let world = world_with_device().await;
    let path = format!("{PATH}?iothub-no-client-cert=true");
    assert!(world.socket(&path, "mqtt").await.is_ok());
    assert!(world.socket(PATH, "AMQPWSB10, mqtt").await.is_ok());
}

#[tokio::test]
async fn a_subprotocol_that_is_not_spoken_is_refused_by_its_name() {
    let world = world_with_device().await;
    let refused = world.socket(PATH, "coap").await.unwrap_err();
    assert_eq!(refused.status(), 501);
    let plain = world.send(Method::GET, PATH, None, Value::Null).await;
    assert_eq!(plain.status(), 400);
}

/// What a client of AMQP sends before it waits: the header, and an open with a container's name.
const AMQP_OPEN: &[u8] =
    b"AMQP\x00\x01\x00\x00\x00\x00\x00\x11\x02\x00\x00\x00\x00\x53\x10\xc0\x04\x01\xa1\x01d";

fn says_why(heard: &[u8]) {
    let text = String::from_utf8_lossy(heard);
    assert!(heard.starts_with(b"AMQP\x00\x01\x00\x00"), "{text}");
    assert!(text.contains("amqp:not-implemented") && text.contains("MQTT is"), "{text}");
}

#[tokio::test]
async fn a_device_that_speaks_amqp_is_told_why_not_in_its_words() {
    let world = world_with_device().await;
    let port = u16::try_from(world.running.ready["hubs"][0]["mqtt"].as_u64().unwrap()).unwrap();
    let mut stream = world.tls_to("127.0.0.1", port, "127.0.0.1").await;
    stream.write_all(AMQP_OPEN).await.unwrap();
    let mut heard = vec![0; 4096];
    let mut length = 0;
    while !String::from_utf8_lossy(&heard[..length]).contains("WebSockets") {
        length += stream.read(&mut heard[length..]).await.unwrap();
    }
    says_why(&heard[..length]);
    let mut socket = world.socket(PATH, "AMQPWSB10").await.unwrap();
    socket.send(Message::binary(AMQP_OPEN)).await.unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("WebSockets") {
        heard.extend(socket.next().await.unwrap().unwrap().into_data());
    }
    says_why(&heard);
}

#[tokio::test]
async fn text_and_packets_that_are_too_large_close_the_websocket() {
    let world = world_with_device().await;
    for message in [Message::text("hello"), Message::binary(vec![0x30; 600 * 1024])] {
        let mut socket = world.socket(PATH, "mqtt").await.unwrap();
        // A large one may be refused while it is being written.
        let _written = socket.send(message).await;
        while let Some(Ok(message)) = socket.next().await {
            assert!(message.is_close(), "{message:?}");
        }
    }
}

#[tokio::test]
async fn a_ping_is_answered_before_and_after_the_device_has_connected() {
    let world = world_with_device().await;
    let mut socket = world.socket(PATH, "mqtt").await.unwrap();
    socket.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
}
