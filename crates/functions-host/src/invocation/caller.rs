//! Sends one invocation to the handler and waits for what becomes of it.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::{Method, Request, Response, request::Builder};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use uuid::Uuid;

use super::reply::{self, FunctionResult, Verdict};
use super::{Failure, HOST_VERSION};
use crate::handler::{Handler, Kill};

/// The way to the handler.
#[derive(Debug)]
pub(crate) struct Caller {
    /// One that adds no header of its own, as the real host's.
    client: Client<HttpConnector, Full<Bytes>>,
    handler: Handler,
    /// `None`: an invocation may take for ever.
    function_timeout: Option<Duration>,
}

impl Caller {
    pub(crate) fn new(handler: Handler, function_timeout: Option<Duration>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, handler, function_timeout }
    }

    pub(crate) fn handler(&self) -> &Handler {
        &self.handler
    }

    /// One attempt in payload form.
    pub(crate) async fn invoke(
        &self,
        function: &str,
        id: Uuid,
        body: Bytes,
    ) -> Result<FunctionResult, Failure> {
        let attempt = async {
            let reply = self.send(self.payload_request(function, id), body).await?;
            let content_type = reply.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            match reply::judge(reply.status().as_u16(), content_type, reply.body()) {
                Verdict::Succeeded(result) => Ok(result),
                Verdict::Failed(failure) => Err(failure),
                Verdict::Hangs => std::future::pending().await,
            }
        };
        self.within_function_timeout(function, attempt).await
    }

    /// Starts a request to the handler, with the headers every one of them has.
    pub(crate) fn request(&self, method: Method, path: &str, id: Uuid) -> Builder {
        Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}{path}", self.handler.port()))
            .header("X-Azure-Functions-HostVersion", HOST_VERSION)
            .header("X-Azure-Functions-InvocationId", id.to_string())
            .header(USER_AGENT, format!("Azure-Functions-Host/{HOST_VERSION}"))
    }

    /// Sends a request, its body with its length.
    pub(crate) async fn send(&self, request: Builder, body: Bytes) -> Result<Response<Bytes>, Failure> {
        let request = request.body(Full::new(body)).map_err(connection)?;
        let (parts, body) = self.client.request(request).await.map_err(connection)?.into_parts();
        let body = body.collect().await.map_err(connection)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    /// Runs an attempt once the handler is ready; when it takes too long the handler is killed, as the host does.
    pub(crate) async fn within_function_timeout<T>(
        &self,
        function: &str,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if !self.handler.ready().await {
            return Err(Failure::Connection("the custom handler is not running".to_owned()));
        }
        let Some(limit) = self.function_timeout else {
            return attempt.await;
        };
        let pid = self.handler.status().pid;
        match tokio::time::timeout(limit, attempt).await {
            Ok(result) => result,
            Err(_) => {
                self.handler.kill(pid, Kill::FunctionTimeout).await;
                let seconds = limit.as_secs_f64();
                Err(Failure::Timeout(format!(
                    "Timeout value of {seconds} s was exceeded by function: Functions.{function}"
                )))
            }
        }
    }

    fn payload_request(&self, function: &str, id: Uuid) -> Builder {
        let path = format!(
            "/{}",
            percent_encoding::utf8_percent_encode(function, percent_encoding::NON_ALPHANUMERIC)
        );
        let path = path.replace("%2D", "-").replace("%5F", "_");
        self.request(Method::POST, &path, id).header(CONTENT_TYPE, "application/json; charset=utf-8")
    }
}

/// The whole chain of causes in one line.
fn connection(error: impl std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    Failure::Connection(text)
}
