//! A device: connects over MQTT with its own key and reports.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, PublishOptions, QoS, TlsConfiguration, Transport,
};
use serde_json::Value;
use sha2::Sha256;

use super::World;
use super::hub::Hub;

/// A connected device.
pub struct Device {
    client: AsyncClient,
    events: EventLoop,
    request: u32,
}

fn token(resource: &str, key: &str) -> String {
    let resource = utf8_percent_encode(resource, NON_ALPHANUMERIC).to_string();
    let expiry = jiff::Timestamp::now().as_second() + 3600;
    let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(key).unwrap()).unwrap();
    mac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC).to_string();
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}")
}

impl World {
    /// Connects as the device, with the key that the registry has.
    pub async fn connect(&self, hub: &Hub, device: &str) -> Device {
        let key = hub.device(device).await.unwrap()["authentication"]["symmetricKey"]["primaryKey"].clone();
        let key = key.as_str().unwrap().to_owned();
        let (host, _) = hub.host_name.split_once(':').unwrap_or((&hub.host_name, ""));
        let mut options = MqttOptions::new(device, (host.to_owned(), hub.mqtt_port));
        options.set_credentials(
            format!("{}/{device}/?api-version=2021-04-12", hub.host_name),
            token(&format!("{}/devices/{device}", hub.host_name), &key),
        );
        options.set_clean_session(true);
        let ca = std::fs::read(self.variable("SSL_CERT_FILE")).unwrap();
        let tls = TlsConfiguration::Simple { ca, alpn: None, client_auth: None };
        options.set_transport(Transport::tls_with_config(tls));
        options.set_max_packet_size(256 * 1024, 256 * 1024);
        let (client, events) = AsyncClient::builder(options).capacity(10).build();
        let mut device = Device { client, events, request: 0 };
        device.client.subscribe("$iothub/twin/res/#", QoS::AtMostOnce).await.unwrap();
        device.until(|packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;
        device
    }
}

impl Device {
    async fn until<T>(&mut self, mut found: impl FnMut(&Packet) -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await.unwrap()
                    && let Some(result) = found(&packet)
                {
                    return result;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the hub answers the device")
    }

    /// Reports; the status that the hub answers.
    pub async fn report(&mut self, patch: &Value) -> u16 {
        self.request += 1;
        let (rid, body) = (self.request, patch.to_string());
        let topic = format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}");
        self.client.publish(topic, body, PublishOptions::at_most_once()).await.unwrap();
        self.until(|packet| match packet {
            Packet::Publish(publish) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                let rest = topic.strip_prefix("$iothub/twin/res/")?;
                topic.contains(&format!("$rid={rid}")).then(|| rest.split('/').next()?.parse().ok()).flatten()
            }
            _ => None,
        })
        .await
    }

    /// Whether the connection still stands: a round trip on it.
    pub async fn is_alive(&mut self) -> bool {
        if self
            .client
            .publish("$iothub/twin/GET/?$rid=alive", " ", PublishOptions::at_most_once())
            .await
            .is_err()
        {
            return false;
        }
        let answered = async {
            loop {
                match self.events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(_))) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), answered).await.unwrap_or(false)
    }
}
