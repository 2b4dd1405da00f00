//! Forwarding: the request goes to the handler as it came, with path and query rebuilt.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::output::failure;
use super::path;
use super::site::Incoming;
use crate::app::Function;
use crate::invocation::{Failure, Runner};
use crate::log::RESULTS;

/// Headers of one connection, which are not passed on in either direction.
const HOP_BY_HOP: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE, header::TRAILER];

/// W3C Trace Context.
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Answers with whatever the handler says; any status is fine. A handler that says nothing is a 500.
pub(super) async fn answer(
    runner: &Runner,
    function: &Function,
    incoming: Incoming,
    decoded_path: &str,
) -> Response {
    let id = Uuid::new_v4();
    let name = &function.name;
    let log = |result: &str| {
        runner.log.information(RESULTS, &format!("Executed 'Functions.{name}' ({result}, Id={id})"));
    };
    match runner.caller.within_function_timeout(name, exchange(runner, id, incoming, decoded_path)).await {
        Ok(response) => {
            log("Succeeded");
            response
        }
        Err(reason) => {
            log(&format!("Failed: {reason}"));
            failure()
        }
    }
}

async fn exchange(
    runner: &Runner,
    id: Uuid,
    incoming: Incoming,
    decoded_path: &str,
) -> Result<Response, Failure> {
    let Incoming { parts, body } = incoming;
    let asked_for_the_head = parts.method == Method::HEAD;
    let target = format!("{}{}", path::forwarded(decoded_path), path::rebuilt_query(&parts.uri));
    let mut request = runner.caller.request(parts.method, &target, id);
    if let Some(known) = request.headers_mut() {
        known.extend(to_the_handler(&parts.headers));
    }
    let reply = runner.caller.send(request, body).await?;
    let (status, mut headers) = (reply.status(), passed_on(reply.headers()));
    if let Some(length) = reply.headers().get(header::CONTENT_LENGTH).filter(|_| asked_for_the_head) {
        // Of the body that a GET would have had (inferred).
        headers.insert(header::CONTENT_LENGTH, length.clone());
    }
    let mut response = (status, Body::from(reply.into_body())).into_response();
    response.headers_mut().extend(headers);
    Ok(response)
}

/// Two things are beside what is passed on (observed): a trace, and the client's wish to close the connection.
fn to_the_handler(headers: &HeaderMap) -> HeaderMap {
    let mut kept = passed_on(headers);
    if headers.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close")) {
        kept.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(trace) = HeaderValue::try_from(trace()) {
        kept.entry(TRACE_PARENT).or_insert(trace);
    }
    kept
}

/// A `traceparent` that is not recorded.
fn trace() -> String {
    format!("00-{:032x}-{:016x}-00", rand::random::<u128>(), rand::random::<u64>())
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept.remove(header::CONTENT_LENGTH);
    kept
}
