//! Reported properties, written as the device: the only way that is proven to work.
//!
//! One session per patch: connect, subscribe to the answers, publish, await the status, disconnect.
//! A session never reconnects by itself: its event loop is dropped at the first error, at the
//! deadline, and when the caller stops waiting. Its connection writes nothing after the deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish,
    PublishOptions, QoS, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::answer::{self, ANSWERS, Status};
use super::attempts::{Attempts, Failure};
use super::client::{HubClient, unix_seconds};
use super::error::{HubError, HubErrorKind};
use super::fence::FencedStream;
use super::reachability::Reachability;
use super::throttle::OperationClass::ReportedWrite;
use super::wire::{API_VERSION, ErrorBody};
use super::{Deadline, HubErrorKind::*};
use crate::model::{IdentityId, Object};

/// Largest packet, in bytes: the service's own limit for messages (documented).
const MAX_PACKET: usize = 256 << 10;

/// Names the request within its session, where it is the only one.
const REQUEST_ID: &str = "1";

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

impl HubClient {
    /// Writes reported properties as the device, over MQTT; gives the new reported `$version`.
    ///
    /// `expected_version` is the precondition: [`Stale`] when the reported properties are at another
    /// version. The device must not be connected to this hub, or it is disconnected.
    pub async fn patch_reported(
        &self,
        id: &IdentityId,
        patch: &Object,
        expected_version: u64,
        deadline: Deadline,
    ) -> Result<u64, HubError> {
        let body = serde_json::to_vec(patch).map_err(|_| HubError::new(Rejected, "the patch is not JSON"))?;
        let topic = answer::patch_topic(REQUEST_ID, expected_version);
        if topic.len() + body.len() + 64 > MAX_PACKET {
            return Err(HubError::new(Rejected, "the patch is larger than the device protocol allows"));
        }
        let turn = self.devices().turn(id);
        let _turn =
            tokio::time::timeout(deadline.left(), turn.lock()).await.map_err(|_| deadline.not_sent())?;
        let mut attempts = Attempts::until(deadline);
        loop {
            attempts.worth_waiting(&self.devices().reachability)?;
            attempts.turn(self.wait_for_turn(ReportedWrite, 1, deadline).await)?;
            let place = attempts.place(&self.devices().places).await?;
            attempts.admit(&self.devices().reachability)?;
            let patch = Patch { topic: &topic, body: &body, deadline, refused: Arc::default() };
            let in_flight = self.throttle().sent(ReportedWrite, 1);
            let patched = Box::pin(self.session(id, patch)).await;
            match patched.is_ok() {
                true => in_flight.answered(),
                false => drop(in_flight),
            }
            drop(place);
            match patched {
                Ok(version) => return Ok(version),
                Err(failure) => {
                    self.note(ReportedWrite, &failure);
                    attempts.pause(failure, self.throttle()).await?;
                }
            }
        }
    }

    async fn session(&self, id: &IdentityId, patch: Patch<'_>) -> Result<u64, Failure> {
        let mut options = self.options(id);
        patch.fence(&mut options);
        let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
        let time = self.attempt_time(patch.deadline);
        let reachability = &self.devices().reachability;
        let exchanged = exchange(&client, &mut events, reachability, &patch);
        match tokio::time::timeout(time, exchanged).await {
            // Not even a goodbye is sent any more.
            Ok(patched) if patch.deadline.is_over() => patched,
            Ok(patched) => {
                goodbye(&client, &mut events).await;
                patched
            }
            // Nothing more may be sent: the connection is closed as it is.
            Err(_) => Err(self.silent(reachability, time)),
        }
    }

    fn options(&self, id: &IdentityId) -> MqttOptions {
        let settings = self.settings();
        // The hub's own token, as the .NET client's: how a hub wants `@ # % +` of an id to be written in one is not known.
        let token = self.signer().service(unix_seconds());
        let username = format!("{}/{id}/?api-version={API_VERSION}", settings.host_name);
        let mut options = MqttOptions::new(id.to_string(), (settings.host(), settings.mqtt_port));
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(self.devices().tls.clone())))
            // A session that persisted would be handed the device's cloud-to-device messages.
            .set_clean_session(true)
            .set_credentials(username, token.expose().to_owned())
            .set_max_packet_size(MAX_PACKET, MAX_PACKET);
        options
    }
}

/// What one session sends, and until when.
struct Patch<'a> {
    topic: &'a str,
    body: &'a [u8],
    deadline: Deadline,
    /// A write was refused because the time to send was over.
    refused: Arc<AtomicBool>,
}

impl Patch<'_> {
    /// Puts the fence around the session's connection: TLS and every packet go through it.
    fn fence(&self, options: &mut MqttOptions) {
        let (deadline, refused) = (self.deadline, Arc::clone(&self.refused));
        options.set_socket_connector(move |host, network| {
            let refused = Arc::clone(&refused);
            async move {
                let stream = rumqttc::default_socket_connect(host, network).await?;
                Ok(FencedStream::new(stream, deadline, refused))
            }
        });
    }

    /// A session that ended without an answer. A patch of which a write was refused has not arrived as a whole.
    fn ended(&self, error: &ConnectionError, connected: bool, reachability: &Reachability) -> Failure {
        match self.refused.load(Ordering::Relaxed) {
            true => Failure::definite(self.deadline.not_sent()),
            false => ended(error, connected, reachability),
        }
    }
}

async fn exchange(
    client: &AsyncClient,
    events: &mut EventLoop,
    reachability: &Reachability,
    patch: &Patch<'_>,
) -> Result<u64, Failure> {
    let queued = |why| Failure::passing(HubError::new(Unavailable, format!("the session ended: {why}")));
    let mut connected = false;
    client.try_subscribe(ANSWERS, QoS::AtMostOnce).map_err(queued)?;
    loop {
        match events.poll().await.map_err(|error| patch.ended(&error, connected, reachability))? {
            Event::Incoming(Packet::ConnAck(_)) => {
                connected = true;
                reachability.answered(Instant::now(), false);
            }
            Event::Incoming(Packet::SubAck(ack)) => {
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err(Failure::definite(HubError::new(Denied, "the subscription was refused")));
                }
                patch.deadline.may_send().map_err(Failure::definite)?;
                let publish = PublishOptions::at_most_once();
                client.try_publish(patch.topic, patch.body.to_vec(), publish).map_err(queued)?;
            }
            Event::Incoming(Packet::Publish(publish)) => {
                if let Some(outcome) = outcome(&publish) {
                    return outcome;
                }
            }
            _ => {}
        }
    }
}

/// What an answer says; `None` when it is no answer to this request.
fn outcome(publish: &Publish) -> Option<Result<u64, Failure>> {
    let topic = std::str::from_utf8(&publish.topic).ok()?;
    let Status { code, version } = answer::status(topic, REQUEST_ID)?;
    match (code, version) {
        (200..=299, Some(version)) => Some(Ok(version)),
        (200..=299, None) => {
            Some(Err(Failure::definite(HubError::new(Malformed, "an answer without a version"))))
        }
        _ => {
            let status = reqwest::StatusCode::from_u16(code).unwrap_or(reqwest::StatusCode::BAD_GATEWAY);
            Some(Err(Failure::of(ErrorBody::read(None, &publish.payload), status)))
        }
    }
}

/// A session that ended without an answer.
fn ended(error: &ConnectionError, connected: bool, reachability: &Reachability) -> Failure {
    if let ConnectionError::ConnectionRefused(code) = error {
        reachability.answered(Instant::now(), false);
        return refused(*code);
    }
    if !connected {
        reachability.failed(Instant::now());
    }
    Failure::passing(HubError::new(Unavailable, format!("the session ended: {error}")))
}

/// The service refuses a connection with 3 when it is busy, with 4 and 5 for bad credentials, a
/// missing permission, a disabled device, and with 2 for a bad id (read in the official clients).
fn refused(code: ConnectReturnCode) -> Failure {
    let kind = match code {
        // Not `Rejected`: no value is refused.
        ConnectReturnCode::BadUserNamePassword
        | ConnectReturnCode::NotAuthorized
        | ConnectReturnCode::BadClientId
        | ConnectReturnCode::RefusedProtocolVersion => Denied,
        ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::Success => Unavailable,
    };
    let error = HubError::new(kind, format!("the connection as the device was refused: {code:?}"));
    match kind {
        HubErrorKind::Unavailable => Failure::passing(error),
        _ => Failure::definite(error),
    }
}

/// DISCONNECT, so that the hub does not wait for a ping of a device that is not there.
async fn goodbye(client: &AsyncClient, events: &mut EventLoop) {
    if client.try_disconnect_now().is_err() {
        return;
    }
    let said = async {
        while let Ok(event) = events.poll().await {
            if matches!(event, Event::Outgoing(rumqttc::Outgoing::Disconnect)) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(GOODBYE, said).await;
}
