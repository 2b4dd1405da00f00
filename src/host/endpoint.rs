//! One endpoint per function: reads the invocation, runs the function, answers whatever happens.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use futures::FutureExt;
use tracing::Instrument;

use super::reply::{Why, http_output, refusal};
use super::{BadInvocation, EventBatch, HttpCall, HttpOutput, Intake, Invocation, Reply};

/// The host's header with the invocation's id. It is the same for all retries of a batch.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";

/// What all functions share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Endpoint {
    intake: Intake,
    limit: Duration,
}

impl Endpoint {
    /// `limit` is when an invocation is cut off; functions are expected to end before it by themselves. `largest` is
    /// the largest request that is taken, in bytes.
    pub fn new(limit: Duration, largest: usize) -> Self {
        Self { intake: Intake::new(largest), limit }
    }

    /// Takes the request, decodes it and works on it. A panic is a 500 and a log line.
    async fn run<T, W>(self, request: Request, work: impl FnOnce(T) -> W + Send) -> Response
    where
        T: TryFrom<Invocation, Error = BadInvocation> + Send + 'static,
        W: Future<Output = Response> + Send,
    {
        let all = async {
            let taken = match self.intake.take(request.into_body()).await {
                Ok(taken) => taken,
                Err(response) => return response,
            };
            let large = taken.is_large();
            let (bytes, turn) = taken.split();
            let response = match decode(bytes, large).await {
                Ok(decoded) => self.bounded(work(decoded)).await,
                Err(bad) => refusal(StatusCode::BAD_REQUEST, &bad.to_string()),
            };
            drop(turn);
            response
        };
        let response = match AssertUnwindSafe(all).catch_unwind().await {
            Ok(response) => response,
            Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the function panicked; its log says where"),
        };
        if let Some(Why(why)) = response.extensions().get() {
            tracing::warn!(status = response.status().as_u16(), "{why}");
        }
        response
    }

    async fn bounded(&self, work: impl Future<Output = Response>) -> Response {
        match tokio::time::timeout(self.limit, work).await {
            Ok(response) => response,
            Err(_) => Reply::Hold("the invocation was cut off at its time limit".to_owned()).into_response(),
        }
    }
}

/// The endpoint of a function with an event hub trigger.
pub fn event_hub_function<F, W>(endpoint: &Endpoint, name: &'static str, function: F) -> MethodRouter
where
    F: Fn(EventBatch) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Reply> + Send,
{
    payload_function(endpoint, name, move |batch: EventBatch| {
        let function = function.clone();
        async move {
            if batch.retry_count > 0 {
                tracing::info!(partition = batch.partition, retry = batch.retry_count, "a batch came again");
            }
            function(batch).await.into_response()
        }
    })
}

/// The endpoint of a function with an HTTP trigger whose calls come in payload form.
pub fn http_function<F, W>(endpoint: &Endpoint, name: &'static str, function: F) -> MethodRouter
where
    F: Fn(HttpCall) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = HttpOutput> + Send,
{
    payload_function(endpoint, name, move |call: HttpCall| {
        let function = function.clone();
        async move { http_output(function(call).await) }
    })
}

/// The answer to a path that is no function of this app.
pub async fn not_a_function(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    refusal(StatusCode::NOT_FOUND, &format!("{} {path} is not a function of this app", request.method()))
}

fn payload_function<T, F, W>(endpoint: &Endpoint, name: &'static str, function: F) -> MethodRouter
where
    T: TryFrom<Invocation, Error = BadInvocation> + Send + 'static,
    F: Fn(T) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = Response> + Send,
{
    let endpoint = endpoint.clone();
    post(async move |request: Request| {
        let id = request.headers().get(INVOCATION_ID).and_then(|id| id.to_str().ok()).unwrap_or("-");
        let span = tracing::info_span!("invocation", function = name, id);
        endpoint.clone().run(request, function).instrument(span).await
    })
    .fallback(not_a_function)
}

/// A large body would hold up every other request for a noticeable time.
async fn decode<T>(bytes: Vec<u8>, large: bool) -> Result<T, BadInvocation>
where
    T: TryFrom<Invocation, Error = BadInvocation> + Send + 'static,
{
    let work = move || {
        let invocation = Invocation::read(&bytes)?;
        // A large one is in memory twice, and not three times.
        drop(bytes);
        invocation.try_into()
    };
    if !large {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(decoded) => decoded,
        Err(_) => Err(BadInvocation::NotAnEnvelope("decoding it failed".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use axum::Router;

    use super::*;
    use crate::host::bind;

    const BATCH: &[u8] = include_bytes!("../../tests/golden/eventhub-many-binary.request.json");

    async fn app() -> String {
        let endpoint = Endpoint::new(Duration::from_millis(50), 1 << 20);
        let functions = Router::new()
            .route("/panics", event_hub_function(&endpoint, "panics", async |_| panic!("a secret")))
            .route("/hangs", event_hub_function(&endpoint, "hangs", async |_| std::future::pending().await))
            .route(
                "/counts",
                event_hub_function(&endpoint, "counts", async |batch: EventBatch| {
                    Reply::Done(vec![batch.records.len().to_string()])
                }),
            )
            .fallback(not_a_function);
        let listener = bind(0).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, functions).await });
        url
    }

    async fn post(url: String) -> (u16, String) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let response = reqwest::Client::new().post(url).body(BATCH).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_shows_nothing_and_the_next_call_is_answered() {
        let url = app().await;
        let (status, body) = post(format!("{url}/panics")).await;
        assert!(status == 500 && body.starts_with('{') && !body.contains("secret"), "{body}");
        assert_eq!(post(format!("{url}/counts")).await, (200, r#"{"Logs":["2"]}"#.to_owned()));
    }

    #[tokio::test]
    async fn a_function_that_hangs_is_cut_off_and_its_batch_held() {
        assert_eq!(post(format!("{}/hangs", app().await)).await.0, 503);
    }

    #[tokio::test]
    async fn an_unknown_function_is_a_404_with_an_object() {
        let (status, body) = post(format!("{}/other", app().await)).await;
        assert!(status == 404 && body.starts_with('{'), "{body}");
    }
}
