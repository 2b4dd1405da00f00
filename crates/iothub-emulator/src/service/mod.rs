//! The service API: HTTPS in, the store behind.

mod answer;
mod call;
mod configurations;
mod counted;
mod jobs;
mod listener;
mod registry;
mod routes;
mod twins;
mod websocket;

pub use answer::Answer;
pub use call::Call;
pub(crate) use listener::serve;

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::control::{HubControl, Planned, RequestRecord, Verdict};
use crate::error::{ErrorCode, HubError};
use crate::jobs::Jobs;
use crate::sas::ServiceGate;
use crate::store::Hub;

/// Largest request body in bytes: more than a bulk call of 100 full identities.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How long a request's body may take.
const BODY: Duration = Duration::from_secs(60);

/// The service API of one hub.
#[derive(Debug)]
pub struct Service {
    pub(crate) hub: Arc<Hub>,
    pub(crate) control: Arc<HubControl>,
    gate: ServiceGate,
    jobs: Jobs,
}

impl Service {
    /// A service on a hub, obeying its control.
    #[must_use]
    pub fn new(hub: Arc<Hub>, control: Arc<HubControl>) -> Self {
        Self { hub, control, gate: ServiceGate::default(), jobs: Jobs::default() }
    }

    /// Handles one request; `cut` closes its connection.
    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        cut: CancellationToken,
    ) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let call = Call::new(&head, read(body, &cut).await);
        let method = head.method.as_str();
        let verdict = self.control.verdict(method, head.uri.path()).await;
        if let Some(refused) = self.shaped(&verdict, &call).await {
            return self.finish(call, refused);
        }
        match verdict {
            Verdict::Proceed => {
                let answer = self.answer(&call).await;
                self.finish(call, answer)
            }
            Verdict::Answer(planned) => self.finish(call, planned_answer(planned)),
            Verdict::AnswerAfterApply(planned) => {
                self.answer(&call).await;
                self.finish(call, planned_answer(planned))
            }
            Verdict::Hang => {
                self.remember(call, 0);
                std::future::pending().await
            }
            verdict => self.without_answer(call, verdict, &cut).await,
        }
    }

    /// Waits for the request's turn among the hub's throttles; the refusal when there is no room for it.
    async fn shaped(&self, verdict: &Verdict, call: &Call) -> Option<Answer> {
        // Looking into a bulk request costs more than not throttling it.
        let demands = if self.control.throttles().are_on() { counted::counted(call) } else { return None };
        let backlog = self.hub.switches().throttle_backlog();
        let refused = self.control.turn(verdict, &demands, backlog).await.err()?;
        Some(Answer::refused(&refused.error()))
    }

    /// Closes the connection; the request is dropped, done at once, or done later.
    async fn without_answer<T>(self: Arc<Self>, call: Call, verdict: Verdict, cut: &CancellationToken) -> T {
        self.remember(call.clone(), 0);
        match verdict {
            Verdict::DropAfterApply => drop(self.answer(&call).await),
            Verdict::ApplyLate(delay) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    self.answer(&call).await;
                });
            }
            Verdict::Hold => {
                let late = Arc::clone(&self);
                self.control.hold(Box::new(move || late.apply(call)));
            }
            _ => {}
        }
        cut.cancel();
        std::future::pending().await
    }

    async fn answer(&self, call: &Call) -> Answer {
        routes::answer(&self.hub, &self.gate, &self.jobs, call).await
    }

    /// Applies a write that was held, before this returns: only what waits for storage elsewhere goes on by itself.
    fn apply(self: Arc<Self>, call: Call) {
        let mut applied = Box::pin(async move { self.answer(&call).await });
        if applied.as_mut().now_or_never().is_none() {
            tokio::spawn(applied);
        }
    }

    fn finish(&self, call: Call, answer: Answer) -> Response<Full<Bytes>> {
        self.remember(call, answer.status);
        answer.into_response()
    }

    fn remember(&self, call: Call, status: u16) {
        self.control.record(RequestRecord {
            method: call.method,
            path: call.path,
            query: call.query,
            if_match: call.if_match,
            status,
            body: call.body,
        });
    }
}

/// The body, or `None` when it is too large. One that ends early or takes too long is no request: its connection is
/// closed.
async fn read(body: Incoming, cut: &CancellationToken) -> Option<Bytes> {
    let body = Limited::new(body, MAX_BODY_BYTES).collect();
    match tokio::time::timeout(BODY, body).await {
        Ok(Ok(body)) => Some(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => None,
        Ok(Err(_)) | Err(_) => {
            cut.cancel();
            std::future::pending().await
        }
    }
}

/// The answer a fault asks for; without a body, the hub's usual words for that status.
fn planned_answer(planned: Planned) -> Answer {
    let Planned { status, body } = planned;
    match body {
        Some(Value::String(text)) => return Answer::text(status, text),
        Some(body) => return Answer::json(status, &body),
        None => {}
    }
    let (code, text) = match status {
        400 => (ErrorCode::ArgumentInvalid, "BadRequest"),
        401 => (ErrorCode::IotHubUnauthorizedAccess, "Unauthorized"),
        404 => (ErrorCode::DeviceNotFound, "Device not registered"),
        409 => (ErrorCode::DeviceAlreadyExists, "A device is already registered."),
        412 => (ErrorCode::PreconditionFailed, "PreconditionFailed"),
        429 => {
            let text = "The request has been throttled. Wait 10 seconds and try again.";
            (ErrorCode::ThrottlingBacklogTimeout, text)
        }
        503 => (ErrorCode::ServiceUnavailable, "Service unavailable"),
        _ => (ErrorCode::ServerError, "An internal error occurred."),
    };
    Answer::refused(&HubError::new(code, text)).with_status(status)
}
