//! A device with an MQTT client that knows nothing of the emulator.

use super::over_tls::World;
use super::signatures::{in_seconds, token};
use super::*;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, PublishOptions,
    QoS, SubscribeReasonCode, TlsConfiguration, Transport,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::time::Duration;

/// Long enough for anything that is to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a device shows to be let in.
pub(crate) struct Pass {
    pub(crate) user_name: String,
    pub(crate) password: String,
}

fn pass(host: &str, id: &str, key: &str, policy: Option<&str>) -> Pass {
    let path = format!("{host}/devices/{}", id.replacen('/', "/modules/", 1));
    let resource = utf8_percent_encode(&path, NON_ALPHANUMERIC).to_string();
    let user_name = format!("{host}/{id}/?api-version=2021-04-12");
    Pass { user_name, password: token(&resource, key, in_seconds(3600), policy) }
}

impl World {
    pub(crate) fn host(&self) -> &str {
        self.running.ready["hubs"][0]["hostName"].as_str().unwrap()
    }

    pub(crate) fn owner_key(&self) -> &str {
        let connection = self.running.ready["hubs"][0]["connectionString"].as_str().unwrap();
        connection.split_once(";SharedAccessKey=").unwrap().1
    }

    /// A pass signed by the owner's policy.
    pub(crate) fn policy_pass(&self, id: &str) -> Pass {
        self.policy_pass_at(0, id)
    }

    /// The same for one of the hubs.
    pub(crate) fn policy_pass_at(&self, hub: usize, id: &str) -> Pass {
        let hub = &self.running.ready["hubs"][hub];
        let connection = hub["connectionString"].as_str().unwrap();
        let key = connection.split_once(";SharedAccessKey=").unwrap().1;
        pass(hub["hostName"].as_str().unwrap(), id, key, Some("iothubowner"))
    }

    /// A pass signed by a key.
    pub(crate) fn pass(&self, id: &str, key: &str, policy: Option<&str>) -> Pass {
        pass(self.host(), id, key, policy)
    }

    /// A pass signed by the device's own key.
    pub(crate) async fn own_pass(&self, id: &str) -> Pass {
        let path = format!("/devices/{}", id.replacen('/', "/modules/", 1));
        let identity: Value = self.send(Method::GET, &path, None, Value::Null).await.json().await.unwrap();
        let key = identity["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
        self.pass(id, key, None)
    }

    fn mqtt_options(&self, id: &str, pass: &Pass) -> MqttOptions {
        let ready = &self.running.ready;
        let port = u16::try_from(ready["hubs"][0]["mqtt"].as_u64().unwrap()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ready["caFile"].as_str().unwrap()).unwrap()).unwrap();
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let mut options = MqttOptions::new(id, ("127.0.0.1", port));
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))))
            .set_clean_session(true)
            .set_max_packet_size(256 << 10, 256 << 10)
            .set_credentials(pass.user_name.clone(), pass.password.clone());
        options
    }

    /// Connects; `Err` is the code of the CONNACK, or `None` when the connection was closed.
    pub(crate) async fn connect(&self, id: &str, pass: &Pass) -> Result<Device, Option<ConnectReturnCode>> {
        let (client, mut events) = AsyncClient::builder(self.mqtt_options(id, pass)).capacity(16).build();
        match tokio::time::timeout(PATIENCE, events.poll()).await.unwrap() {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Ok(Device::connected(client, events)),
            Err(ConnectionError::ConnectionRefused(code)) => Err(Some(code)),
            Err(_) => Err(None),
            Ok(other) => panic!("{other:?} before a CONNACK"),
        }
    }

    /// Connects and listens to answers and desired patches.
    pub(crate) async fn device(&self, id: &str) -> Device {
        let mut device = self.connect(id, &self.policy_pass(id)).await.unwrap();
        for filter in ["$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"] {
            assert!(device.subscribe(filter).await);
        }
        device
    }
}

/// A connected device.
pub(crate) struct Device {
    client: AsyncClient,
    events: EventLoop,
    requests: u32,
}

/// The hub closed the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Device {
    /// A device whose CONNACK has been seen.
    pub(crate) fn connected(client: AsyncClient, events: EventLoop) -> Self {
        Self { client, events, requests: 0 }
    }

    async fn next(&mut self) -> Result<Packet, Closed> {
        loop {
            match tokio::time::timeout(PATIENCE, self.events.poll()).await.unwrap() {
                Ok(Event::Incoming(packet)) => return Ok(packet),
                Ok(Event::Outgoing(_)) => {}
                Err(_) => return Err(Closed),
            }
        }
    }

    /// Whether the hub granted it.
    pub(crate) async fn subscribe(&mut self, filter: &str) -> bool {
        self.client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        loop {
            if let Packet::SubAck(ack) = self.next().await.unwrap() {
                return ack.return_codes != [SubscribeReasonCode::Failure];
            }
        }
    }

    /// The next message: topic and body.
    pub(crate) async fn message(&mut self) -> Result<(String, Value), Closed> {
        loop {
            if let Packet::Publish(publish) = self.next().await? {
                let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                return Ok((topic, serde_json::from_slice(&publish.payload).unwrap_or(Value::Null)));
            }
        }
    }

    pub(crate) async fn publish(&mut self, topic: &str, body: &str) {
        self.client.publish(topic, body.to_owned(), PublishOptions::at_most_once()).await.unwrap();
    }

    /// A reported patch: status, the new version, the body.
    pub(crate) async fn report(
        &mut self,
        patch: &Value,
        version: Option<u64>,
    ) -> Result<(u16, Option<u64>, Value), Closed> {
        self.requests += 1;
        let expected = version.map(|version| format!("&$version={version}")).unwrap_or_default();
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={}{expected}", self.requests);
        self.publish(&topic, &patch.to_string()).await;
        let (topic, body) = self.message().await?;
        let (status, query) = topic.strip_prefix("$iothub/twin/res/").unwrap().split_once("/?").unwrap();
        assert!(query.starts_with(&format!("$rid={}", self.requests)), "{topic}");
        let version = query.split_once("$version=").map(|(_, version)| version.parse().unwrap());
        Ok((status.parse().unwrap(), version, body))
    }

    /// The twin as the device sees it.
    pub(crate) async fn twin(&mut self) -> Result<Value, Closed> {
        self.publish("$iothub/twin/GET/?$rid=g", " ").await;
        let (topic, body) = self.message().await?;
        assert_eq!(topic, "$iothub/twin/res/200/?$rid=g");
        Ok(body)
    }

    /// Waits until the hub closes the connection.
    pub(crate) async fn closed(&mut self) {
        while self.next().await.is_ok() {}
    }

    /// Says goodbye and waits for the end.
    pub(crate) async fn leave(mut self) {
        self.client.disconnect().await.unwrap();
        self.closed().await;
    }
}
