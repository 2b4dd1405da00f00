//! One hub: requests admitted, signed, sent, and sent again while that can help.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH};
use reqwest::{Method, StatusCode};
use tokio::sync::Semaphore;

use super::attempts::{Attempts, Failure};
use super::device_sessions::DeviceSessions;
use super::error::{HubError, HubErrorKind};
use super::fence::{FencedBody, NotSent};
use super::reachability::Reachability;
use super::sas::Signer;
use super::throttle::{CallCounts, Lane, OperationClass, Throttle, Tier};
use super::wire::{API_VERSION, ErrorBody, malformed};
use super::{BadConnectionString, Deadline, HubSettings, Network};
use crate::model::{ETag, Object};

/// Largest answer that is read, in bytes: a page of 100 twins of the largest size is a sixth of it.
const MAX_ANSWER: usize = 64 << 20;

/// How often others get their turn before a place is given free: measured, 200 requests through 16
/// places then open about 20 connections instead of 43.
const POOL_TURNS: usize = 3;

/// A time-out tells something about the hub only when the attempt had at least this long.
const TELLING_TIME: Duration = Duration::from_secs(5);

/// How much one hub is asked at once, and how long for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests in flight to this hub, and so connections.
    pub concurrent_requests: usize,
    /// Sessions as a device in flight to this hub.
    pub device_sessions: usize,
    /// How long one attempt may take, answer read. The service queues before it throttles.
    pub attempt_timeout: Duration,
    /// The hub's tier; without it its limits are looked for.
    pub tier: Option<Tier>,
    /// The part of the limits that is left to the hub's owner while it is the active one; 0 to less than 1.
    pub left_to_owner: f64,
}

impl Default for Limits {
    /// 64 requests, 16 device sessions, 20 s, no tier, half.
    fn default() -> Self {
        Self {
            concurrent_requests: 64,
            device_sessions: 16,
            attempt_timeout: Duration::from_secs(20),
            tier: None,
            left_to_owner: 0.5,
        }
    }
}

/// One hub. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HubClient {
    inner: Arc<Inner>,
    lane: Lane,
    /// The turn of one request that was waited for already; taken by the first one sent.
    turn: Option<Arc<AtomicBool>>,
}

#[derive(Debug)]
struct Inner {
    settings: HubSettings,
    base_url: String,
    http: reqwest::Client,
    attempt_timeout: Duration,
    signer: Signer,
    throttle: Throttle,
    left_to_owner: f64,
    reachability: Reachability,
    in_flight: Semaphore,
    devices: DeviceSessions,
}

/// A request, before it is signed.
#[derive(Debug)]
pub(crate) struct Call {
    class: OperationClass,
    method: Method,
    path: String,
    items: u32,
    body: Option<Bytes>,
    headers: HeaderMap,
    expected: fn(StatusCode, &[u8]) -> bool,
}

impl Call {
    pub(crate) fn new(class: OperationClass, method: Method, path: impl Into<String>) -> Self {
        Self {
            class,
            method,
            path: path.into(),
            items: 1,
            body: None,
            headers: HeaderMap::new(),
            expected: |status, _| status.is_success(),
        }
    }

    /// A JSON body. Serialising a JSON value cannot fail, but says so all the same.
    pub(crate) fn json(mut self, body: &impl serde::Serialize) -> Result<Self, HubError> {
        let text = serde_json::to_vec(body)
            .map_err(|_| HubError::new(HubErrorKind::Rejected, "the request is not JSON"))?;
        self.body = Some(text.into());
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        Ok(self)
    }

    /// A precondition, quoted: without quotes the service ignores it on twins (observed).
    pub(crate) fn if_match(self, etag: &ETag) -> Result<Self, HubError> {
        if etag.as_str().is_empty() || etag.as_str() == "*" {
            return Err(HubError::new(HubErrorKind::Rejected, "a write needs an ETag to be conditional"));
        }
        self.header(IF_MATCH, &etag.quoted())
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Result<Self, HubError> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| HubError::new(HubErrorKind::Rejected, "not a header value"))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// What the hub will count this request as.
    pub(crate) fn items(mut self, items: usize) -> Self {
        self.items = u32::try_from(items).unwrap_or(u32::MAX);
        self
    }

    /// Which answers are no errors; successes, unless set.
    pub(crate) fn expect(mut self, expected: fn(StatusCode, &[u8]) -> bool) -> Self {
        self.expected = expected;
        self
    }
}

/// What came back, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl HubClient {
    /// The client of one hub. Fails only when `settings` were not made by [`HubSettings::parse`].
    pub fn new(
        settings: HubSettings,
        network: &Network,
        limits: Limits,
    ) -> Result<Self, BadConnectionString> {
        let base_url = format!("https://{}", settings.host_name);
        let signer = Signer::new(&settings.host_name, &settings.policy, settings.key_bytes()?);
        let throttle = Throttle::new(limits.tier);
        // Until somebody says that the hub is the standby.
        throttle.share(1.0 - limits.left_to_owner);
        let inner = Inner {
            settings,
            base_url,
            http: network.http.clone(),
            attempt_timeout: limits.attempt_timeout,
            signer,
            throttle,
            left_to_owner: limits.left_to_owner,
            reachability: Reachability::default(),
            in_flight: Semaphore::new(limits.concurrent_requests),
            devices: DeviceSessions::new(network.tls.clone(), limits.device_sessions),
        };
        Ok(Self { inner: Arc::new(inner), lane: Lane::Live, turn: None })
    }

    /// The same client for work of another urgency.
    #[must_use]
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self { inner: Arc::clone(&self.inner), lane, turn: None }
    }

    /// This hub is the active one, whose owner needs a part of its limits; or the standby, which is all ours.
    pub fn is_active(&self, active: bool) {
        self.inner.throttle.share(if active { 1.0 - self.inner.left_to_owner } else { 1.0 });
    }

    /// Waits for the turn of one request of this class; gives a client whose next request is that one. For writes that
    /// need authority: it is taken after the wait, because it does not last.
    ///
    /// # Errors
    /// [`HubErrorKind::NoTurn`] when the turn does not come before `deadline`.
    pub async fn turn(&self, class: OperationClass, deadline: Deadline) -> Result<Self, HubError> {
        self.inner.throttle.turn(class, 1, self.lane, deadline).await?;
        Ok(self.with_turn())
    }

    /// A client whose next request was waited for already, as a whole.
    #[must_use]
    pub fn with_turn(&self) -> Self {
        Self { turn: Some(Arc::new(AtomicBool::new(true))), ..self.clone() }
    }

    /// How many requests of this class a minute this process allows itself; `None` while no limit is known.
    #[must_use]
    pub fn per_minute(&self, class: OperationClass) -> Option<f64> {
        self.inner.throttle.per_minute(class)
    }

    /// Waits for the turn of an attempt, unless that was done before.
    pub(crate) async fn wait_for_turn(
        &self,
        class: OperationClass,
        items: u32,
        deadline: Deadline,
    ) -> Result<(), HubError> {
        if !self.turn.as_ref().is_some_and(|turn| turn.swap(false, Ordering::Relaxed)) {
            self.inner.throttle.turn(class, items, self.lane, deadline).await?;
        }
        self.inner.throttle.count(class);
        Ok(())
    }

    /// Takes note of a failed attempt: a 429 stops everybody who wants the same.
    pub(crate) fn note(&self, class: OperationClass, failure: &Failure) {
        if let Some(wait) = failure.throttled() {
            self.inner.throttle.refused(class, wait);
        }
    }

    /// How this hub is reached.
    pub fn settings(&self) -> &HubSettings {
        &self.inner.settings
    }

    /// Requests sent so far.
    pub fn calls(&self) -> CallCounts {
        self.inner.throttle.counts()
    }

    /// Lets the next call through to a hub that did not answer the calls before it, instead of failing
    /// at once: for work that is not pressing and wants to know how things are now.
    pub fn try_again(&self) {
        self.inner.reachability.try_again();
    }

    pub(crate) fn devices(&self) -> &DeviceSessions {
        &self.inner.devices
    }

    pub(crate) fn signer(&self) -> &Signer {
        &self.inner.signer
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.inner.throttle
    }

    /// How long one attempt may take before `deadline`.
    pub(crate) fn attempt_time(&self, deadline: Deadline) -> Duration {
        self.inner.attempt_timeout.min(deadline.left())
    }

    /// Sends until there is a definite answer, or `deadline` leaves no time for another attempt.
    pub(crate) async fn send(&self, call: Call, deadline: Deadline) -> Result<Answer, HubError> {
        let mut attempts = Attempts::until(deadline);
        loop {
            attempts.worth_waiting(&self.inner.reachability)?;
            attempts.turn(self.wait_for_turn(call.class, call.items, deadline).await)?;
            let place = attempts.place(&self.inner.in_flight).await?;
            attempts.admit(&self.inner.reachability)?;
            // On the heap, as everything that ends at the network: whoever calls is called by others in turn, and a worker's
            // stack has 2 MiB.
            let sent = Box::pin(self.attempt(&call, deadline)).await;
            // The connection goes back to the pool in a task of its own; the next request must find it.
            for _ in 0..POOL_TURNS {
                tokio::task::yield_now().await;
            }
            drop(place);
            match sent {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    self.note(call.class, &failure);
                    attempts.pause(failure, self.throttle()).await?;
                }
            }
        }
    }

    async fn attempt(&self, call: &Call, deadline: Deadline) -> Result<Answer, Failure> {
        let time = self.attempt_time(deadline);
        let in_flight = self.inner.throttle.sent(call.class, call.items);
        match tokio::time::timeout(time, self.exchange(call, deadline)).await {
            Ok(Ok(answer)) => {
                if answer.status.as_u16() != 429 && !answer.status.is_server_error() {
                    in_flight.answered();
                }
                self.inner.reachability.answered(Instant::now(), answer.status.is_server_error());
                settle(call, answer)
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(self.silent(&self.inner.reachability, time)),
        }
    }

    /// An attempt that got no answer within `time`.
    pub(crate) fn silent(&self, reachability: &Reachability, time: Duration) -> Failure {
        if time >= TELLING_TIME.min(self.inner.attempt_timeout) {
            reachability.failed(Instant::now());
        }
        let why = format!("no answer within {} ms", time.as_millis());
        Failure::passing(HubError::new(HubErrorKind::Unavailable, why))
    }

    async fn exchange(&self, call: &Call, deadline: Deadline) -> Result<Answer, Failure> {
        let request = self.request(call, deadline);
        deadline.may_send().map_err(Failure::definite)?;
        let mut response = request.send().await.map_err(|error| match is_not_sent(&error) {
            true => Failure::definite(deadline.not_sent()),
            false => self.transport(&error),
        })?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::definite(malformed("the answer is too long")));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer { status: response.status(), headers, body: body.into() })
    }

    fn request(&self, call: &Call, deadline: Deadline) -> reqwest::RequestBuilder {
        let url = format!("{}{}?api-version={API_VERSION}", self.inner.base_url, call.path);
        let mut request = self.inner.http.request(call.method.clone(), url).headers(call.headers.clone());
        let token = self.inner.signer.service(unix_seconds());
        if let Ok(mut value) = HeaderValue::from_str(token.expose()) {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        match &call.body {
            Some(body) => request.body(reqwest::Body::wrap(FencedBody::new(body.clone(), deadline))),
            None => request,
        }
    }

    /// A request that got no answer. The texts of the layers below name hosts, never headers.
    fn transport(&self, error: &reqwest::Error) -> Failure {
        if error.is_connect() {
            self.inner.reachability.failed(Instant::now());
        }
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), innermost);
        // rustls ends some of its texts with a link.
        let cause = cause.split(": http").next().unwrap_or_default();
        let what = if error.is_connect() { "no connection" } else { "the connection was lost" };
        Failure::passing(HubError::new(HubErrorKind::Unavailable, format!("{what}: {cause}")))
    }
}

fn settle(call: &Call, answer: Answer) -> Result<Answer, Failure> {
    if (call.expected)(answer.status, &answer.body) {
        return Ok(answer);
    }
    let header = answer.headers.get("iothub-errorcode").and_then(|value| value.to_str().ok());
    Err(Failure::of(ErrorBody::read(header, &answer.body), answer.status))
}

/// Whether the request stayed here because it was too late to send it.
fn is_not_sent(error: &reqwest::Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |error| error.source())
        .any(|error| error.is::<NotSent>())
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A JSON object out of an answer.
pub(crate) fn members(answer: &Answer) -> Result<Object, HubError> {
    super::wire::object(&answer.body)
}
