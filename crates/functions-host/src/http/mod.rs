//! The host's own HTTP port: function routes under the prefix, and `/admin`.

mod admin;
mod default_form;
mod forward;
mod output;
mod path;
mod route;
mod site;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};

use route::Values;
use site::Incoming;
pub(crate) use site::{HttpFunction, Site};

/// The greatest request body the host takes, in bytes: read in source.
const MAX_BODY: usize = 104_857_600;

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
    if path.contains('\0') {
        // An empty answer of the web server's (observed).
        return StatusCode::BAD_REQUEST.into_response();
    }
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
