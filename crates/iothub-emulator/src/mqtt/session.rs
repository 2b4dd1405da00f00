//! One connection of one device.

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::answer::{connect_code, refusal, told};
use super::packet::{self, Connect, ConnectCode, Incoming, MAX_PACKET, Malformed, Publish};
use super::topic::{self, Expected, Filter, Request};
use super::twin::apply_patch;
use crate::control::{HubControl, RequestRecord, Verdict};
use crate::error::HubError;
use crate::sas::authorise_device;
use crate::store::{DesiredPatch, Hub, Id, SessionGuard};
use crate::throttle::{Class, Demand, Refused};

/// How long a client may take from the handshake to its CONNECT.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long closing may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Longest silence a hub allows, in seconds (documented: 1767 is the cap of the server side).
const LONGEST_SILENCE: u64 = 1767;

/// The code of a SUBACK for a topic filter that is not granted.
const SUBSCRIPTION_REFUSED: u8 = 0x80;

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
    /// It sent more than the hub's tier allows.
    Throttled,
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

/// The bytes may come over TLS or in a WebSocket.
pub(super) struct Connection<S> {
    stream: S,
    buffer: BytesMut,
    hub: Arc<Hub>,
    control: Arc<HubControl>,
}

/// An identity that was let in.
struct Session {
    id: Id,
    client_id: String,
    /// It subscribed to answers: without, none are sent.
    answers: bool,
    desired: Option<broadcast::Receiver<DesiredPatch>>,
    silence: Duration,
}

/// How long a session may stay.
struct Stay {
    guard: SessionGuard,
    /// Unix seconds.
    expiry: u64,
}

impl Stay {
    async fn over(&self) {
        tokio::select! {
            () = self.guard.closed() => {}
            () = tokio::time::sleep(until(self.expiry)) => {}
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, hub: Arc<Hub>, control: Arc<HubControl>) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(4096), hub, control }
    }

    /// Until the connection ends.
    pub(super) async fn run(mut self) -> Ended {
        let ended = match self.converse().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        // A client that takes nothing any more must not keep the connection.
        let _closing = tokio::time::timeout(GOODBYE, self.stream.shutdown()).await;
        ended
    }

    async fn converse(&mut self) -> Result<Infallible, Ended> {
        let first = tokio::time::timeout(PATIENCE, self.next()).await.map_err(|_| Ended::Silent)??;
        let Incoming::Connect(connect) = first else { return Err(Ended::Protocol) };
        let (session, stay) = self.admit(connect).await?;
        tokio::select! {
            // Also ends what is being done: an answer that is late or never comes must not outlive the stay.
            biased;
            () = stay.over() => Err(Ended::ByHub),
            ended = self.serve(session) => ended,
        }
    }

    async fn serve(&mut self, mut session: Session) -> Result<Infallible, Ended> {
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                packet = self.next() => {
                    heard = Instant::now();
                    self.handle(&mut session, packet?).await?;
                }
                patch = next_desired(&mut session.desired) => self.notify(&patch).await?,
                () = tokio::time::sleep_until(heard + session.silence) => return Err(Ended::Silent),
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

    /// Never answers; ends when the device gives up.
    async fn hang(&mut self) -> Ended {
        loop {
            self.buffer.clear();
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Ended::ByDevice,
                Ok(_) => {}
                Err(_) => return Ended::Io,
            }
        }
    }

    async fn send(&mut self, packet: Bytes) -> Result<(), Ended> {
        self.stream.write_all(&packet).await?;
        Ok(self.stream.flush().await?)
    }

    async fn admit(&mut self, connect: Connect) -> Result<(Session, Stay), Ended> {
        let id = Id::from_client_id(&connect.client_id);
        let verdict = self.control.verdict("MQTT-CONNECT", &connect.client_id).await;
        let shaped = self.turn(&verdict, Class::DeviceConnect).await;
        let decided = match verdict {
            Verdict::Proceed => match shaped {
                Ok(()) => self.judge(&connect, &id),
                Err(_) => Err(ConnectCode::ServerUnavailable),
            },
            Verdict::Answer(planned) | Verdict::AnswerAfterApply(planned) => Err(connect_code(&planned)),
            cut => {
                self.remember("MQTT-CONNECT", &connect.client_id, 0, None, Bytes::new());
                return Err(if cut == Verdict::Hang { self.hang().await } else { Ended::Fault });
            }
        };
        let status = decided.map_or_else(ConnectCode::status, |_| 200);
        self.remember("MQTT-CONNECT", &connect.client_id, status, None, Bytes::new());
        match decided {
            Err(code) => {
                self.send(packet::connack(code)).await?;
                Err(Ended::Refused)
            }
            Ok(expiry) => {
                let stay = Stay { guard: self.hub.register_session(&id), expiry };
                self.send(packet::connack(ConnectCode::Accepted)).await?;
                let (client_id, silence) = (connect.client_id, silence(connect.keep_alive));
                Ok((Session { id, client_id, answers: false, desired: None, silence }, stay))
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
                let granted = |(text, qos): &(String, u8)| match self.subscribe(session, text, true) {
                    true => (*qos).min(1),
                    false => SUBSCRIPTION_REFUSED,
                };
                let codes: Vec<u8> = filters.iter().map(granted).collect();
                self.send(packet::suback(packet_id, &codes)).await
            }
            Incoming::Unsubscribe { packet_id, filters } => {
                for text in &filters {
                    self.subscribe(session, text, false);
                }
                self.send(packet::unsuback(packet_id)).await
            }
        }
    }

    /// Begins or ends a subscription; whether there is one of that name.
    fn subscribe(&self, session: &mut Session, filter: &str, on: bool) -> bool {
        match topic::filter(filter, &session.client_id) {
            Some(Filter::Responses) => session.answers = on,
            Some(Filter::Desired) => session.desired = on.then(|| self.hub.subscribe_desired(&session.id)),
            Some(Filter::Silent) => {}
            None => return false,
        }
        true
    }

    async fn published(&mut self, session: &Session, publish: Publish) -> Result<(), Ended> {
        let request = topic::parse(&publish.topic, &session.client_id).ok_or(Ended::Protocol)?;
        if request == Request::Telemetry {
            // There is no way to answer a message: a hub that has had enough closes (inferred).
            self.turn(&Verdict::Proceed, Class::DeviceSend).await.map_err(|_| Ended::Throttled)?;
        }
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
        let verdict = self.control.verdict("MQTT-GET", &session.client_id).await;
        let shaped = self.turn(&verdict, Class::TwinRead).await;
        let answer = match verdict {
            Verdict::Proceed => {
                shaped.and_then(|()| self.hub.device_twin_document(&session.id)).map_err(told)
            }
            Verdict::Answer(planned) | Verdict::AnswerAfterApply(planned) => Err(refusal(&planned)),
            cut => {
                self.remember("MQTT-GET", &session.client_id, 0, None, Bytes::new());
                return Err(if cut == Verdict::Hang { self.hang().await } else { Ended::Fault });
            }
        };
        let (status, body) = answer.map_or_else(|refusal| refusal, |twin| (200, twin));
        self.remember("MQTT-GET", &session.client_id, status, None, Bytes::new());
        self.respond(session, &topic::response(status, rid, None), &body.to_string()).await
    }

    async fn patch_reported(
        &mut self,
        session: &Session,
        rid: &str,
        version: Expected,
        payload: Bytes,
    ) -> Result<(), Ended> {
        let (hub, id, patch) = (Arc::clone(&self.hub), session.id.clone(), payload.clone());
        let apply = move || apply_patch(&hub, &id, &patch, version);
        let verdict = self.control.verdict("MQTT-PATCH", &session.client_id).await;
        let counts = self.hub.switches().reported_counts_as_update();
        let shaped = if counts { self.turn(&verdict, Class::TwinUpdate).await } else { Ok(()) };
        let outcome = match verdict {
            Verdict::Proceed => shaped.map_err(told).and_then(|()| apply()),
            Verdict::Answer(planned) => Err(refusal(&planned)),
            Verdict::AnswerAfterApply(planned) => apply().and(Err(refusal(&planned))),
            cut => {
                self.remember("MQTT-PATCH", &session.client_id, 0, Some(version), payload);
                if cut == Verdict::Hang {
                    return Err(self.hang().await);
                }
                self.later(cut, apply);
                return Err(Ended::Fault);
            }
        };
        let (status, new, body) = match outcome {
            Ok(new) => (204, Some(new), String::new()),
            Err((status, body)) => (status, None, body.to_string()),
        };
        self.remember("MQTT-PATCH", &session.client_id, status, Some(version), payload);
        self.respond(session, &topic::response(status, rid, new), &body).await
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

    /// Answers, if the device listens.
    async fn respond(&mut self, session: &Session, topic: &str, body: &str) -> Result<(), Ended> {
        if !session.answers {
            return Ok(());
        }
        self.send(packet::message(topic, body.as_bytes())).await
    }

    /// A desired patch, with its `$version` in the body too (observed).
    async fn notify(&mut self, patch: &DesiredPatch) -> Result<(), Ended> {
        let mut body = (*patch.patch).clone();
        body.insert("$version".to_owned(), patch.version.into());
        let body = Value::Object(body).to_string();
        self.send(packet::message(&topic::desired(patch.version), body.as_bytes())).await
    }

    async fn turn(&self, verdict: &Verdict, class: Class) -> Result<(), HubError> {
        let backlog = self.hub.switches().throttle_backlog();
        self.control.turn(verdict, &[Demand::one(class)], backlog).await.map_err(Refused::error)
    }

    fn remember(&self, method: &str, client_id: &str, status: u16, version: Option<Expected>, body: Bytes) {
        let query = match version {
            Some(Expected::Exactly(version)) => Some(format!("$version={version}")),
            _ => None,
        };
        let (method, path) = (method.to_owned(), client_id.to_owned());
        self.control.record(RequestRecord { method, path, query, if_match: None, status, body });
    }
}

fn silence(keep_alive: u16) -> Duration {
    match keep_alive {
        0 => Duration::from_secs(LONGEST_SILENCE),
        seconds => Duration::from_secs((u64::from(seconds) * 3 / 2).clamp(1, LONGEST_SILENCE)),
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
