//! What a device asks of its twin, and what it is told.

use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{refusal, told};
use super::packet;
use super::session::{Connection, Session};
use super::topic::{self, Expected};
use super::twin::apply_patch;
use super::wire::Ended;
use crate::control::Verdict;
use crate::store::DesiredPatch;
use crate::throttle::Class;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    pub(super) async fn get_twin(&mut self, session: &Session, rid: &str) -> Result<(), Ended> {
        let verdict = self.control.verdict("MQTT-GET", &session.client_id).await;
        let shaped = self.turn(&verdict, Class::TwinRead).await;
        let answer = match verdict {
            Verdict::Proceed => {
                shaped.and_then(|()| self.hub.device_twin_document(&session.id)).map_err(told)
            }
            Verdict::Answer(planned) | Verdict::AnswerAfterApply(planned) => Err(refusal(&planned)),
            cut => {
                self.remember("MQTT-GET", &session.client_id, 0, None, Bytes::new());
                return Err(if cut == Verdict::Hang { self.wire.hang().await } else { Ended::Fault });
            }
        };
        let (status, body) = answer.map_or_else(|refusal| refusal, |twin| (200, twin));
        self.remember("MQTT-GET", &session.client_id, status, None, Bytes::new());
        self.respond(session, &topic::response(status, rid, None), &body.to_string()).await
    }

    pub(super) async fn patch_reported(
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
                    return Err(self.wire.hang().await);
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
        if !session.subscribed.answers {
            return Ok(());
        }
        self.wire.send(packet::message(topic, body.as_bytes())).await
    }

    /// A desired patch, with its `$version` in the body too (observed).
    pub(super) async fn notify(&mut self, patch: &DesiredPatch) -> Result<(), Ended> {
        let mut body = (*patch.patch).clone();
        body.insert("$version".to_owned(), patch.version.into());
        let body = Value::Object(body).to_string();
        self.wire.send(packet::message(&topic::desired(patch.version), body.as_bytes())).await
    }
}
