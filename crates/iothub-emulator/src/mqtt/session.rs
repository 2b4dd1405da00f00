//! One connection of one device.

use bytes::Bytes;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::packet::{self, Connect, Incoming, Publish, SUBSCRIPTION_REFUSED};
use super::topic::{self, Expected, Filter, Request};
use super::wire::{Ended, Wire};
use crate::control::{HubControl, RequestRecord, Verdict};
use crate::error::HubError;
use crate::store::{DesiredPatch, Hub, Id, Subscriptions};
use crate::throttle::{Class, Demand, Refused};

/// A connection to the hub that it turned out to be for.
pub(super) struct Connection<'a, S> {
    pub(super) wire: &'a mut Wire<S>,
    pub(super) hub: Arc<Hub>,
    pub(super) control: Arc<HubControl>,
}

/// An identity that was let in.
pub(super) struct Session {
    pub(super) id: Id,
    pub(super) client_id: String,
    /// Without a subscription to answers, none are sent.
    pub(super) subscribed: Subscriptions,
    pub(super) desired: Option<broadcast::Receiver<DesiredPatch>>,
    /// Subscriptions outlive the connection (clean session 0).
    pub(super) lasting: bool,
    pub(super) silence: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Until the connection ends.
    pub(super) async fn run(mut self, connect: Connect) -> Result<Infallible, Ended> {
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
                packet = self.wire.next() => {
                    heard = Instant::now();
                    self.handle(&mut session, packet?).await?;
                }
                patch = next_desired(&mut session.desired) => self.notify(&patch).await?,
                () = tokio::time::sleep_until(heard + session.silence) => return Err(Ended::Silent),
            }
        }
    }

    async fn handle(&mut self, session: &mut Session, packet: Incoming) -> Result<(), Ended> {
        match packet {
            Incoming::PingReq => self.wire.send(packet::pingresp()).await,
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
                self.wire.send(packet::suback(packet_id, &codes)).await
            }
            Incoming::Unsubscribe { packet_id, filters } => {
                for text in &filters {
                    self.subscribe(session, text, false);
                }
                self.wire.send(packet::unsuback(packet_id)).await
            }
        }
    }

    /// Begins or ends a subscription; whether there is one of that name. A hub allows five at a time (documented):
    /// there are fewer that are granted.
    fn subscribe(&self, session: &mut Session, filter: &str, on: bool) -> bool {
        match topic::filter(filter, &session.client_id) {
            Filter::Responses => session.subscribed.answers = on,
            Filter::Desired => {
                session.subscribed.desired = on;
                session.desired = on.then(|| self.hub.subscribe_desired(&session.id));
            }
            Filter::Unsupported(what) => {
                tracing::info!(
                    client_id = session.client_id,
                    filter,
                    "{what} are not supported by this emulator"
                );
                return false;
            }
            Filter::Unknown => return false,
        }
        if session.lasting {
            self.hub.keep_session(&session.id, session.subscribed);
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
            self.wire.send(packet::puback(packet_id)).await?;
        }
        match request {
            Request::Telemetry => Ok(()),
            Request::GetTwin { rid } => self.get_twin(session, &rid).await,
            Request::PatchReported { rid, version } => {
                self.patch_reported(session, &rid, version, publish.payload).await
            }
        }
    }

    pub(super) async fn turn(&self, verdict: &Verdict, class: Class) -> Result<(), HubError> {
        let backlog = self.hub.switches().throttle_backlog();
        self.control.turn(verdict, &[Demand::one(class)], backlog).await.map_err(Refused::error)
    }

    pub(super) fn remember(
        &self,
        method: &str,
        client_id: &str,
        status: u16,
        version: Option<Expected>,
        body: Bytes,
    ) {
        let query = match version {
            Some(Expected::Exactly(version)) => Some(format!("$version={version}")),
            _ => None,
        };
        let (method, path) = (method.to_owned(), client_id.to_owned());
        self.control.record(RequestRecord { method, path, query, if_match: None, status, body });
    }
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
