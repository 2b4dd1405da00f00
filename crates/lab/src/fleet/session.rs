//! One device's MQTT session with a hub, as the official device SDKs hold it: MQTT 3.1.1 over TLS,
//! the device twin topics, one shared access signature.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, PublishOptions, QoS, TlsConfiguration,
    Transport,
};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::hubs::expiry;
use crate::sas;

/// Twins may be 32 KB a section; the client's own limit is 10 KB.
const PACKET_LIMIT: usize = 256 * 1024;
/// How long a hub may take to answer a device.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Below the hub's own limit of 1,177 seconds.
const KEEP_ALIVE_SECONDS: u16 = 60;

/// Where to connect, from the router's answer.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// As the router returned it; it is part of the username and the signature.
    pub(crate) host: String,
    /// The device protocol's port.
    pub(crate) port: u16,
    /// The roots to trust, shared by all devices.
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<(u16, Bytes)>>>>;

/// An open session; dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Session {
    client: AsyncClient,
    waiting: Waiting,
    requests: AtomicU32,
    closed: watch::Receiver<bool>,
    pump: JoinHandle<()>,
}

impl Session {
    /// Connects and subscribes. Desired properties that change from now on arrive in `desired`.
    ///
    /// # Errors
    /// When the hub refuses the device or does not answer.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        id: &str,
        key: &[u8],
        desired: mpsc::UnboundedSender<Value>,
    ) -> Result<Self, String> {
        let (client, events) = AsyncClient::builder(options(endpoint, id, key)).capacity(16).build();
        let waiting = Waiting::default();
        let (ready, is_ready) = oneshot::channel();
        let (close, closed) = watch::channel(false);
        let reader = Reader { waiting: Arc::clone(&waiting), desired, ready: Some(ready) };
        let pump = tokio::spawn(reader.run(events, client.clone(), close));
        let session = Self { client, waiting, requests: AtomicU32::default(), closed, pump };
        let opened = tokio::time::timeout(ANSWER_WITHIN, is_ready).await;
        opened.map_err(|_| "no answer".to_owned())?.map_err(|_| "refused".to_owned())?;
        Ok(session)
    }

    /// The twin as the device sees it: desired and reported.
    ///
    /// # Errors
    /// When the hub answers with an error or not at all.
    pub(crate) async fn twin(&self) -> Result<Value, String> {
        let (status, body) = self.request("$iothub/twin/GET/", " ".to_owned()).await?;
        let twin = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        (status == 200).then_some(twin).ok_or_else(|| format!("twin: {status}"))
    }

    /// Merges a patch into the reported properties and waits for the hub's word.
    ///
    /// # Errors
    /// When the hub answers with an error or not at all.
    pub(crate) async fn report(&self, patch: &Value) -> Result<(), String> {
        let status = self.patch_reported(patch).await?;
        (status == 204).then_some(()).ok_or_else(|| format!("report: {status}"))
    }

    /// The same; the hub's own status, 204 when it is stored.
    ///
    /// # Errors
    /// When the hub does not answer.
    pub(crate) async fn patch_reported(&self, patch: &Value) -> Result<u16, String> {
        let topic = "$iothub/twin/PATCH/properties/reported/";
        Ok(self.request(topic, patch.to_string()).await?.0)
    }

    /// Returns when the connection is gone.
    pub(crate) async fn closed(&mut self) {
        let _ = self.closed.wait_for(|closed| *closed).await;
    }

    async fn request(&self, topic: &str, body: String) -> Result<(u16, Bytes), String> {
        let rid = self.requests.fetch_add(1, Ordering::Relaxed).to_string();
        let (answer, answered) = oneshot::channel();
        self.lock().insert(rid.clone(), answer);
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let sent = self.client.publish(format!("{topic}?$rid={rid}"), body, options).await;
        sent.map_err(|error| error.to_string())?;
        let answered = tokio::time::timeout(ANSWER_WITHIN, answered).await;
        self.lock().remove(&rid);
        answered.map_err(|_| "no answer".to_owned())?.map_err(|_| "connection lost".to_owned())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<(u16, Bytes)>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

fn options(endpoint: &Endpoint, id: &str, key: &[u8]) -> MqttOptions {
    let dialled = endpoint.host.split(':').next().unwrap_or_default().to_owned();
    let mut options = MqttOptions::new(id, (dialled, endpoint.port));
    let username = format!("{}/{id}/?api-version=2021-04-12", endpoint.host);
    let password = sas::token(&format!("{}/devices/{id}", endpoint.host), key, None, expiry());
    options.set_credentials(username, password);
    options.set_keep_alive(KEEP_ALIVE_SECONDS);
    options.set_clean_session(true);
    options.set_max_packet_size(PACKET_LIMIT, PACKET_LIMIT);
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(&endpoint.tls))));
    options
}

/// Reads the connection until it breaks. It never reconnects by itself: a device that lost its hub
/// asks the router first.
struct Reader {
    waiting: Waiting,
    desired: mpsc::UnboundedSender<Value>,
    ready: Option<oneshot::Sender<()>>,
}

impl Reader {
    async fn run(mut self, mut events: EventLoop, client: AsyncClient, close: watch::Sender<bool>) {
        while let Ok(event) = events.poll().await {
            match event {
                Event::Incoming(Packet::ConnAck(_)) => subscribe(&client),
                // Answers may overtake the subscription, so nothing is asked before the second one.
                Event::Incoming(Packet::SubAck(_)) => {
                    if let Some(ready) = self.ready.take() {
                        let _ = ready.send(());
                    }
                }
                Event::Incoming(Packet::Publish(message)) => self.take(&message),
                _ => {}
            }
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let _ = close.send(true);
    }

    fn take(&self, message: &Publish) {
        let topic = String::from_utf8_lossy(&message.topic);
        if let Some((status, rid)) = topic.strip_prefix("$iothub/twin/res/").and_then(status_and_rid) {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(rid);
            if let Some(waiting) = waiting {
                let _ = waiting.send((status, message.payload.clone()));
            }
        } else if let Ok(patch) = serde_json::from_slice(&message.payload) {
            let _ = self.desired.send(patch);
        }
    }
}

/// Both filters in one packet: one SUBACK means both are in force.
fn subscribe(client: &AsyncClient) {
    let filters = ["$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"];
    let filters = filters.map(|filter| rumqttc::SubscribeFilter::new(filter.to_owned(), QoS::AtMostOnce));
    // The queue was just made and holds sixteen.
    let _ = client.try_subscribe_many(filters);
}

/// `200/?$rid=7&…` → 200 and `7`.
fn status_and_rid(rest: &str) -> Option<(u16, &str)> {
    let (status, query) = rest.split_once("/?")?;
    let rid = query.split('&').find_map(|pair| pair.strip_prefix("$rid="))?;
    Some((status.parse().ok()?, rid))
}

#[cfg(test)]
mod tests {
    use super::status_and_rid;

    #[test]
    fn an_answers_status_and_request_are_read_from_its_topic() {
        assert_eq!(status_and_rid("200/?$rid=7"), Some((200, "7")));
        assert_eq!(status_and_rid("204/?$rid=12&$version=4"), Some((204, "12")));
        assert_eq!(status_and_rid("204/?$version=4&$rid=12"), Some((204, "12")));
        assert_eq!(status_and_rid("204"), None);
    }
}
