//! `/admin`: running a function by hand, and the state of the host. Keys are not asked for, as under `func start`.

use std::sync::Arc;

use axum::Json as JsonBody;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::site::{Incoming, Site};
use crate::event_hub::{AdminEvent, EventHubFunction, admin_envelope};
use crate::invocation::{Attempts, Failure, HOST_VERSION};

/// Why a function runs, in the log.
const BY_HAND: &str = "This function was programmatically called via the host APIs.";

/// Calls by hand show no progress, as they have no partition.
struct Unwatched;

impl Attempts for Unwatched {
    fn begins(&self, _: i64, _: Option<&Failure>) {}
}

/// Answers `/admin/<rest>`.
pub(super) async fn answer(site: &Site, rest: &str, incoming: &Incoming) -> Response {
    let segments: Vec<_> = rest.trim_end_matches('/').split('/').collect();
    match (&incoming.parts.method, segments.as_slice()) {
        (&Method::GET, ["host", "status"]) => JsonBody(host_status(site)).into_response(),
        (&Method::GET | &Method::POST, ["host", "ping"]) => StatusCode::OK.into_response(),
        (&Method::GET, ["functions", name, "status"]) if knows(site, name) => {
            JsonBody(json!({})).into_response()
        }
        (&Method::POST, ["functions", name]) => run(site, name, &incoming.body).await,
        (_, ["host" | "functions", ..]) => StatusCode::NOT_FOUND.into_response(),
        _ => (StatusCode::NOT_IMPLEMENTED, "not supported by this stand-in for the host").into_response(),
    }
}

fn host_status(site: &Site) -> Value {
    let ready = site.runner.caller.handler().status().phase == crate::handler::Phase::Ready;
    json!({
        "id": "functions-host",
        "state": if ready { "Running" } else { "Initialized" },
        "version": HOST_VERSION,
        "processUptime": 0,
    })
}

fn knows(site: &Site, name: &str) -> bool {
    let http = site.http_functions.iter().map(|function| function.function.name.as_str());
    let event_hub = site.event_hub_functions.iter().map(|function| function.function.name.as_str());
    http.chain(event_hub).any(|known| known.eq_ignore_ascii_case(name)) || site.timers.knows(name)
}

/// 202 at once; the invocation's result is nobody's.
async fn run(site: &Site, name: &str, body: &[u8]) -> Response {
    if !knows(site, name) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let input: Option<Value> = serde_json::from_slice(body).ok();
    let Some(input) = input.filter(|input| !input.is_null()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let input = input.get("input").and_then(Value::as_str).unwrap_or_default().to_owned();
    if site.timers.run_now(name, Some(input.clone())).await {
        return StatusCode::ACCEPTED.into_response();
    }
    let found = site.event_hub_functions.iter().find(|known| known.function.name.eq_ignore_ascii_case(name));
    match found.cloned() {
        Some(known) => run_with_event(site, known, input),
        None => fail_without_request(site, name),
    }
    StatusCode::ACCEPTED.into_response()
}

fn run_with_event(site: &Site, known: Arc<EventHubFunction>, input: String) {
    let (runner, stop) = (site.runner.clone(), site.stop.clone());
    tokio::spawn(async move {
        let function = &known.function;
        let event = AdminEvent {
            function: &function.name,
            binding: &function.binding,
            trigger: &known.trigger,
            input: &input,
        };
        runner.run(function, &admin_envelope(event), BY_HAND, &Unwatched, &stop).await;
    });
}

/// An HTTP function has no request then: its run fails before the handler sees it (observed).
fn fail_without_request(site: &Site, name: &str) {
    let mut functions = site.http_functions.iter();
    let Some(known) = functions.find(|known| known.function.name.eq_ignore_ascii_case(name)).cloned() else {
        return;
    };
    let (runner, stop) = (site.runner.clone(), site.stop.clone());
    tokio::spawn(async move {
        let payload = Err(Failure::Binding("An HttpRequest is required".to_owned()));
        runner.run(&known.function, &payload, BY_HAND, &Unwatched, &stop).await;
    });
}
