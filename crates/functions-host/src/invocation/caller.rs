//! Sends one invocation to the handler and waits for what becomes of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use uuid::Uuid;

use super::reply::{self, FunctionResult, Verdict};
use super::{Failure, HOST_VERSION};
use crate::handler::{Handler, Kill};

/// Bytes per chunk of a chunked request.
const CHUNK: usize = 64 * 1024;

/// How requests are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerOptions {
    /// `None`: an invocation may take for ever.
    pub(crate) function_timeout: Option<Duration>,
    /// With forwarding on, the host does not follow redirects.
    pub(crate) follow_redirects: bool,
}

/// The way to the handler.
#[derive(Debug)]
pub(crate) struct Caller {
    client: reqwest::Client,
    handler: Handler,
    options: CallerOptions,
    sent: AtomicU64,
}

impl Caller {
    pub(crate) fn new(handler: Handler, options: CallerOptions) -> Result<Self, reqwest::Error> {
        let redirects = if options.follow_redirects {
            reqwest::redirect::Policy::limited(50)
        } else {
            reqwest::redirect::Policy::none()
        };
        let client = reqwest::Client::builder().no_proxy().redirect(redirects).build()?;
        Ok(Self { client, handler, options, sent: AtomicU64::new(0) })
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
            let reply = self.send(self.payload_request(function, id, body)).await?;
            let status = reply.status().as_u16();
            let content_type =
                reply.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let body = reply.bytes().await.map_err(connection)?;
            match reply::judge(status, content_type.as_deref(), &body) {
                Verdict::Succeeded(result) => Ok(result),
                Verdict::Failed(failure) => Err(failure),
                Verdict::Hangs => std::future::pending().await,
            }
        };
        self.within_function_timeout(function, attempt).await
    }

    /// Starts a request to the handler, with the headers every one of them has.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str, id: Uuid) -> reqwest::RequestBuilder {
        let url = format!("http://127.0.0.1:{}{path}", self.handler.port());
        self.client
            .request(method, url)
            .header("X-Azure-Functions-HostVersion", HOST_VERSION)
            .header("X-Azure-Functions-InvocationId", id.to_string())
            .header(USER_AGENT, format!("Azure-Functions-Host/{HOST_VERSION}"))
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        request.send().await.map_err(connection)
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
        let Some(limit) = self.options.function_timeout else {
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

    /// Every other request is chunked, the next one has a length: the real host does one or the other, depending on
    /// whether it traces, so handlers must take both.
    fn payload_request(&self, function: &str, id: Uuid, body: Bytes) -> reqwest::RequestBuilder {
        let path = format!(
            "/{}",
            percent_encoding::utf8_percent_encode(function, percent_encoding::NON_ALPHANUMERIC)
        );
        let path = path.replace("%2D", "-").replace("%5F", "_");
        let request = self
            .request(reqwest::Method::POST, &path, id)
            .header(CONTENT_TYPE, "application/json; charset=utf-8");
        if self.sent.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            request.body(reqwest::Body::wrap(Chunks(body)))
        } else {
            request.body(body)
        }
    }
}

/// A body whose length is not announced, so that it goes out chunked.
struct Chunks(Bytes);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = CHUNK.min(self.0.len());
        let next = self.0.split_to(size);
        Poll::Ready((!next.is_empty()).then(|| Ok(Frame::data(next))))
    }
}

/// The whole chain of causes in one line.
fn connection(error: reqwest::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    Failure::Connection(text)
}
