//! One connection of one device.

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_rustls::server::TlsStream;

use super::packet::{self, Connect, ConnectCode, Incoming, MAX_PACKET, Malformed, Publish};
use super::topic::{self, Filter, Request};
use crate::control::{HubControl, Planned, RequestRecord, Verdict};
use crate::error::{ErrorCode, HubError};
use crate::sas::authorise_device;
use crate::store::{DesiredPatch, Hub, Id, SessionGuard};

/// How long a client may take from the handshake to its CONNECT.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longest silence a hub allows, in seconds (documented: 1767 is the cap of the server side).
const LONGEST_SILENCE: u64 = 1767;

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The device said so, or closed.
    ByDevice,
    /// Nothing was heard for one and a half times the keep-alive.
    Silent,
    /// The bytes were no packet, or a packet out of place.
    Protocol,
    /// Not let in.
    Refused,
    /// Another connection took over, or the identity was disabled or deleted, or the token expired.
    ByHub,
    /// A fault that was asked for.
    Fault,
    /// The network.
    Io,
}

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Self::Io
    }
}

impl From<Malformed> for Ended {
    fn from(_: Malformed) -> Self {
        Self::Protocol
    }
}

pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: BytesMut,
    hub: Arc<Hub>,
    control: Arc<HubControl>,
}

/// An identity that was let in.
struct Session {
    id: Id,
    client_id: String,
    guard: SessionGuard,
    desired: Option<broadcast::Receiver<DesiredPatch>>,
    silence: Duration,
    /// Unix seconds.
    expiry: u64,
}

impl Connection {
    pub(super) fn new(stream: TlsStream<TcpStream>, hub: Arc<Hub>, control: Arc<HubControl>) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(4096), hub, control }
    }

    /// Until the connection ends.
    pub(super) async fn run(mut self) -> Ended {
        match self.converse().await {
            Ok(never) => match never {},
            Err(ended) => {
                let _closing = self.stream.shutdown().await;
                ended
            }
        }
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, Ended> {
        let first = tokio::time::timeout(PATIENCE, self.next()).await.map_err(|_| Ended::Silent)??;
        let Incoming::Connect(connect) = first else { return Err(Ended::Protocol) };
        let mut session = self.admit(connect).await?;
        loop {
            let expires = until(session.expiry);
            tokio::select! {
                packet = self.next() => self.handle(&mut session, packet?).await?,
                patch = next_desired(&mut session.desired) => self.notify(&patch).await?,
                () = session.guard.closed() => return Err(Ended::ByHub),
                () = tokio::time::sleep(expires) => return Err(Ended::ByHub),
                () = tokio::time::sleep(session.silence) => return Err(Ended::Silent),
            }
        }
    }

    /// The next packet; can be cancelled without losing bytes.
    async fn next(&mut self) -> Result<Incoming, Ended> {
        loop {
            if let Some(packet) = packet::take(&mut self.buffer)? {
                return Ok(packet);
            }
            if self.buffer.len() > MAX_PACKET {
                return Err(Ended::Protocol);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Ended::ByDevice);
            }
        }
    }

    async fn send(&mut self, packet: Bytes) -> Result<(), Ended> {
        self.stream.write_all(&packet).await?;
        Ok(self.stream.flush().await?)
    }

    async fn admit(&mut self, connect: Connect) -> Result<Session, Ended> {
        let id = Id::from_client_id(&connect.client_id);
        let verdict = self.control.verdict("MQTT-CONNECT", &connect.client_id).await;
        let decided = match verdict {
            Verdict::Proceed => self.judge(&connect, &id),
            Verdict::Answer(planned) | Verdict::AnswerAfterApply(planned) => Err(connect_code(&planned)),
            Verdict::Hang => std::future::pending().await,
            _ => {
                self.remember("MQTT-CONNECT", &connect.client_id, 0, Bytes::new());
                return Err(Ended::Fault);
            }
        };
        let status = if decided.is_ok() { 200 } else { 401 };
        self.remember("MQTT-CONNECT", &connect.client_id, status, Bytes::new());
        match decided {
            Err(code) => {
                self.send(packet::connack(code)).await?;
                Err(Ended::Refused)
            }
            Ok(expiry) => {
                let guard = self.hub.register_session(&id);
                self.send(packet::connack(ConnectCode::Accepted)).await?;
                let silence = match connect.keep_alive {
                    0 => LONGEST_SILENCE,
                    seconds => (u64::from(seconds) * 3 / 2).clamp(1, LONGEST_SILENCE),
                };
                let silence = Duration::from_secs(silence);
                Ok(Session { id, client_id: connect.client_id, guard, desired: None, silence, expiry })
            }
        }
    }

    /// The token's expiry in Unix seconds, or why the device is not let in.
    fn judge(&self, connect: &Connect, id: &Id) -> Result<u64, ConnectCode> {
        if connect.level != 4 {
            return Err(ConnectCode::UnacceptableProtocol);
        }
        let user_name = connect.user_name.as_deref().unwrap_or_default();
        let (host, versioned) =
            topic::user_name(user_name, &connect.client_id).ok_or(ConnectCode::IdentifierRejected)?;
        if !host.eq_ignore_ascii_case(&self.hub.host_name) || !versioned {
            return Err(ConnectCode::NotAuthorised);
        }
        let token = connect.password.as_deref().unwrap_or_default();
        authorise_device(&self.hub, id, token).map_err(|_| ConnectCode::NotAuthorised)
    }

    async fn handle(&mut self, session: &mut Session, packet: Incoming) -> Result<(), Ended> {
        match packet {
            Incoming::PingReq => self.send(packet::pingresp()).await,
            Incoming::PubAck => Ok(()),
            Incoming::Disconnect => Err(Ended::ByDevice),
            Incoming::Connect(_) => Err(Ended::Protocol),
            Incoming::Publish(publish) => self.published(session, publish).await,
            Incoming::Subscribe { packet_id, filters } => {
                let granted = |(text, qos): &(String, u8)| match topic::filter(text) {
                    Some(Filter::Desired) => {
                        session.desired = Some(self.hub.subscribe_desired(&session.id));
                        (*qos).min(1)
                    }
                    Some(_) => (*qos).min(1),
                    None => 0x80,
                };
                let codes: Vec<u8> = filters.iter().map(granted).collect();
                self.send(packet::suback(packet_id, &codes)).await
            }
            Incoming::Unsubscribe { packet_id, filters } => {
                if filters.iter().any(|text| topic::filter(text) == Some(Filter::Desired)) {
                    session.desired = None;
                }
                self.send(packet::unsuback(packet_id)).await
            }
        }
    }

    async fn published(&mut self, session: &Session, publish: Publish) -> Result<(), Ended> {
        let request = topic::parse(&publish.topic, &session.client_id).ok_or(Ended::Protocol)?;
        if let Some(packet_id) = publish.packet_id {
            self.send(packet::puback(packet_id)).await?;
        }
        match request {
            Request::Telemetry => Ok(()),
            Request::GetTwin { rid } => self.get_twin(session, &rid).await,
            Request::PatchReported { rid, version } => {
                self.patch_reported(session, &rid, version, publish.payload).await
            }
        }
    }

    async fn get_twin(&mut self, session: &Session, rid: &str) -> Result<(), Ended> {
        let answer = match self.control.verdict("MQTT-GET", &session.client_id).await {
            Verdict::Proceed => self.hub.device_twin_document(&session.id).map_err(told),
            Verdict::Answer(planned) | Verdict::AnswerAfterApply(planned) => Err(refusal(&planned)),
            Verdict::Hang => std::future::pending().await,
            _ => return Err(Ended::Fault),
        };
        match answer {
            Ok(twin) => {
                self.remember("MQTT-GET", &session.client_id, 200, Bytes::new());
                self.respond(200, rid, None, &twin.to_string()).await
            }
            Err((status, body)) => {
                self.remember("MQTT-GET", &session.client_id, status, Bytes::new());
                self.respond(status, rid, None, &body.to_string()).await
            }
        }
    }

    async fn patch_reported(
        &mut self,
        session: &Session,
        rid: &str,
        version: Option<u64>,
        payload: Bytes,
    ) -> Result<(), Ended> {
        let (hub, id, patch) = (Arc::clone(&self.hub), session.id.clone(), payload.clone());
        let apply = move || apply_patch(&hub, &id, &patch, version);
        let outcome = match self.control.verdict("MQTT-PATCH", &session.client_id).await {
            Verdict::Proceed => apply(),
            Verdict::Answer(planned) => Err(refusal(&planned)),
            Verdict::AnswerAfterApply(planned) => apply().and(Err(refusal(&planned))),
            Verdict::Hang => std::future::pending().await,
            cut => {
                self.remember("MQTT-PATCH", &session.client_id, 0, payload);
                self.later(cut, apply);
                return Err(Ended::Fault);
            }
        };
        match outcome {
            Ok(version) => {
                self.remember("MQTT-PATCH", &session.client_id, 204, payload);
                self.respond(204, rid, Some(version), "").await
            }
            Err((status, body)) => {
                self.remember("MQTT-PATCH", &session.client_id, status, payload);
                self.respond(status, rid, None, &body.to_string()).await
            }
        }
    }

    /// A write whose connection is closed: lost, done, or done later.
    fn later<T>(&self, verdict: Verdict, apply: impl FnOnce() -> T + Send + 'static) {
        match verdict {
            Verdict::DropAfterApply => drop(apply()),
            Verdict::ApplyLate(delay) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    apply();
                });
            }
            Verdict::Hold => self.control.hold(Box::new(move || drop(apply()))),
            _ => {}
        }
    }

    async fn respond(
        &mut self,
        status: u16,
        rid: &str,
        version: Option<u64>,
        body: &str,
    ) -> Result<(), Ended> {
        self.send(packet::message(&topic::response(status, rid, version), body.as_bytes())).await
    }

    /// A desired patch, with its `$version` in the body too (observed).
    async fn notify(&mut self, patch: &DesiredPatch) -> Result<(), Ended> {
        let mut body = (*patch.patch).clone();
        body.insert("$version".to_owned(), patch.version.into());
        let body = Value::Object(body).to_string();
        self.send(packet::message(&topic::desired(patch.version), body.as_bytes())).await
    }

    fn remember(&self, method: &str, client_id: &str, status: u16, body: Bytes) {
        self.control.record(RequestRecord {
            method: method.to_owned(),
            path: client_id.to_owned(),
            query: None,
            if_match: None,
            status,
            body,
        });
    }
}

/// A status and a body for the topic of an error.
type Refusal = (u16, Value);

fn apply_patch(hub: &Hub, id: &Id, patch: &[u8], version: Option<u64>) -> Result<u64, Refusal> {
    let patch = serde_json::from_slice(patch)
        .map_err(|_| HubError::new(ErrorCode::IotHubFormatError, "the body is not JSON"));
    patch.and_then(|patch| hub.patch_reported(id, patch, version)).map_err(told)
}

fn told(error: HubError) -> Refusal {
    (error.code.status(), error.numbered_body())
}

fn refusal(planned: &Planned) -> Refusal {
    let code = match planned.status {
        400 => ErrorCode::ArgumentInvalid,
        412 => ErrorCode::PreconditionFailed,
        429 => ErrorCode::ThrottlingBacklogTimeout,
        _ => ErrorCode::ServerError,
    };
    let usual = || HubError::new(code, "as asked for").numbered_body();
    (planned.status, planned.body.clone().unwrap_or_else(usual))
}

fn connect_code(planned: &Planned) -> ConnectCode {
    match planned.status {
        429 | 500..=599 => ConnectCode::ServerUnavailable,
        _ => ConnectCode::NotAuthorised,
    }
}

fn until(expiry: u64) -> Duration {
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
    let skew = crate::sas::CLOCK_SKEW;
    Duration::from_secs(expiry.saturating_sub(now)) + skew
}

async fn next_desired(receiver: &mut Option<broadcast::Receiver<DesiredPatch>>) -> DesiredPatch {
    loop {
        let Some(open) = receiver else { return std::future::pending().await };
        match open.recv().await {
            Ok(patch) => return patch,
            // A slow device misses some; it sees the gap in `$version` and asks for the twin (documented).
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => *receiver = None,
        }
    }
}
