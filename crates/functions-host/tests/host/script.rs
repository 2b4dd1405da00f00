//! What the handler answers, decided by the test, call by call.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// One invocation, waiting for its answer. Dropped without one it is a 500.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    answer: oneshot::Sender<Response>,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The names of the headers that the host sent, in order of the alphabet.
    pub(crate) fn names_of_headers(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.header("x-original-names").unwrap().split(' ').map(str::to_owned).collect();
        names.sort();
        names
    }

    pub(crate) fn invocation_id(&self) -> String {
        self.header("x-azure-functions-invocationid").unwrap().to_owned()
    }

    pub(crate) fn partition(&self) -> String {
        self.json()["Metadata"]["PartitionContext"]["PartitionId"].as_str().unwrap().to_owned()
    }

    /// The sequence numbers of the batch.
    pub(crate) fn numbers(&self) -> Vec<i64> {
        serde_json::from_str(self.json()["Metadata"]["SequenceNumberArray"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn retry_count(&self) -> i64 {
        self.json()["Metadata"]["RetryContext"]["RetryCount"].as_i64().unwrap()
    }

    pub(crate) fn succeed(self) {
        self.reply(200, r#"{"Logs":["done"]}"#);
    }

    pub(crate) fn fail(self) {
        self.reply(500, r#"{"Logs":["never shown"]}"#);
    }

    pub(crate) fn reply(self, status: u16, body: &'static str) {
        self.respond((
            axum::http::StatusCode::from_u16(status).unwrap(),
            [("content-type", "application/json")],
            body,
        ));
    }

    /// Makes the handler exit with this code instead of answering.
    pub(crate) fn exit(self, code: i32) {
        self.respond([("x-exit", code.to_string())]);
    }

    pub(crate) fn respond(self, response: impl IntoResponse) {
        // The asker may be dead already.
        let _ = self.answer.send(response.into_response());
    }
}

pub(crate) struct Script {
    calls: mpsc::UnboundedReceiver<Call>,
}

impl Script {
    pub(crate) async fn serve() -> (Self, String) {
        let (sender, calls) = mpsc::unbounded_channel();
        let router = Router::new().fallback(move |request| take(sender.clone(), request));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (Self { calls }, url)
    }

    /// The next invocation, whenever it comes.
    pub(crate) async fn next(&mut self) -> Call {
        let next = tokio::time::timeout(Duration::from_secs(20), self.calls.recv()).await;
        next.expect("an invocation comes").unwrap()
    }

    /// Whether no invocation has come so far.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

async fn take(calls: mpsc::UnboundedSender<Call>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (answer, answered) = oneshot::channel();
    let target = parts.uri.to_string();
    let _ = calls.send(Call { method: parts.method, target, headers: parts.headers, body, answer });
    answered.await.unwrap_or_else(|_| axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
