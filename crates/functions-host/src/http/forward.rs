//! Forwarding: the request goes to the handler as it came, with path and query rebuilt.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Method, header};
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
    let mut request = runner.caller.request(parts.method, &target, id).headers(passed_on(&parts.headers));
    if !body.is_empty() {
        request = request.body(body);
    }
    let reply = runner.caller.send(request).await?;
    let (status, mut headers) = (reply.status(), passed_on(reply.headers()));
    if let Some(length) = reply.headers().get(header::CONTENT_LENGTH).filter(|_| asked_for_the_head) {
        // Of the body that a GET would have had (inferred).
        headers.insert(header::CONTENT_LENGTH, length.clone());
    }
    let body = reply.bytes().await.map_err(|error| Failure::Connection(error.to_string()))?;
    let mut response = (status, Body::from(body)).into_response();
    response.headers_mut().extend(headers);
    Ok(response)
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept.remove(header::CONTENT_LENGTH);
    kept
}
