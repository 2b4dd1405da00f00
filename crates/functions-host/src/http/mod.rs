//! The host's own HTTP port: function routes under the prefix, and `/admin`.

mod admin;
mod default_form;
mod forward;
mod output;
mod path;
mod route;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri, header, request::Parts};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use crate::app::{Function, HttpTrigger};
use crate::event_hub::EventHubFunction;
use crate::invocation::Runner;
use crate::timer::Timers;
use route::{Route, Values};

/// The greatest request body the host takes, in bytes: read in source.
const MAX_BODY: usize = 104_857_600;

/// An HTTP function with its route.
#[derive(Clone, Debug)]
pub(crate) struct HttpFunction {
    pub(crate) function: Function,
    route: Route,
    methods: Vec<String>,
}

impl HttpFunction {
    pub(crate) fn new(function: Function, trigger: &HttpTrigger, prefix: &str) -> Self {
        Self { route: Route::parse(prefix, &trigger.route), methods: trigger.methods.clone(), function }
    }
}

/// Everything the port needs.
pub(crate) struct Site {
    pub(crate) runner: Runner,
    /// Requests of functions with exactly an HTTP trigger and an HTTP output go to the handler as they are.
    pub(crate) forwarding: bool,
    pub(crate) http_functions: Vec<HttpFunction>,
    pub(crate) event_hub_functions: Vec<Arc<EventHubFunction>>,
    pub(crate) timers: Timers,
    pub(crate) stop: CancellationToken,
}

/// A request that has been read.
struct Incoming {
    parts: Parts,
    /// Empty when the request had no `Content-Length`: the host drops such bodies.
    body: Bytes,
}

/// All routes of the port.
pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new().fallback(answer).with_state(site)
}

async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let incoming = match read(request).await {
        Ok(incoming) => incoming,
        Err(status) => return status.into_response(),
    };
    let path = path::decoded(incoming.parts.uri.path());
    if let Some(rest) = path.strip_prefix("/admin/") {
        return admin::answer(&site, rest, &incoming).await;
    }
    if path == "/" {
        return "Your Functions 4.0 app is up and running".into_response();
    }
    match find(&site.http_functions, &incoming.parts.method, &path) {
        Some((function, values)) if site.forwarding && function.function.http_output.is_some() => {
            drop(values);
            forward::answer(&site.runner, &function.function, incoming, &path).await
        }
        Some((function, values)) => default_form::answer(&site, &function.function, values, incoming).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn read(request: Request) -> Result<Incoming, StatusCode> {
    let (parts, body) = request.into_parts();
    let body = match content_length(&parts) {
        0 => Bytes::new(),
        length if length > MAX_BODY => return Err(StatusCode::PAYLOAD_TOO_LARGE),
        _ => axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| StatusCode::BAD_REQUEST)?,
    };
    Ok(Incoming { parts, body })
}

fn content_length(parts: &Parts) -> usize {
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The function whose route fits best; a method that no route takes is a 404, as in the host.
fn find<'a>(
    functions: &'a [HttpFunction],
    method: &Method,
    path: &str,
) -> Option<(&'a HttpFunction, Values)> {
    let takes = |function: &&HttpFunction| {
        function.methods.is_empty() || function.methods.iter().any(|taken| taken == method.as_str())
    };
    let fitting =
        functions.iter().filter(takes).filter_map(|function| Some((function, function.route.matches(path)?)));
    fitting.min_by_key(|(function, _)| function.route.precedence())
}

/// `http://host/path?query` as the request line and the `Host` header have it.
fn display_url(parts: &Parts, decoded_path: &str) -> String {
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}{decoded_path}{}", query(&parts.uri))
}

fn query(uri: &Uri) -> String {
    uri.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default()
}

fn failure() -> Response {
    Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(Body::empty()).unwrap_or_default()
}
