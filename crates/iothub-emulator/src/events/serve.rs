//! The logs over plain HTTP.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Emitter, Event};

/// Longest a reader may wait, so that a connection that is gone is noticed.
const LONGEST_WAIT_MS: u64 = 60_000;

/// Most events in one answer.
const MOST_EVENTS: usize = 10_000;

/// Serves the event logs over plain HTTP until `stop`.
pub async fn serve(listener: TcpListener, emitter: Arc<Emitter>, stop: CancellationToken) {
    let routes = Router::new()
        .route("/eventhubs", get(list))
        .route("/eventhubs/{name}/partitions/{id}/events", get(read).post(append))
        .with_state(emitter);
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        ended = served => if let Err(error) = ended {
            tracing::error!(%error, "the event logs are no longer served");
        },
        // Long polls would keep a graceful end waiting.
        () = stop.cancelled() => {}
    }
}

async fn list(State(emitter): State<Arc<Emitter>>) -> Json<Value> {
    let hubs = emitter.event_hubs().iter();
    let hubs: Vec<Value> = hubs.map(|hub| json!({"name": hub.name, "partitionIds": hub.ids()})).collect();
    Json(json!({ "eventHubs": hubs }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Window {
    #[serde(default)]
    from: u64,
    #[serde(default = "hundred")]
    max: usize,
    #[serde(default)]
    wait_ms: u64,
}

fn hundred() -> usize {
    100
}

async fn read(
    State(emitter): State<Arc<Emitter>>,
    Path((name, id)): Path<(String, String)>,
    Query(window): Query<Window>,
) -> Result<Json<Value>, StatusCode> {
    let hub = emitter.event_hub(&name).ok_or(StatusCode::NOT_FOUND)?;
    let partition = hub.partition(&id).ok_or(StatusCode::NOT_FOUND)?;
    let wait = Duration::from_millis(window.wait_ms.min(LONGEST_WAIT_MS));
    Ok(Json(partition.read(window.from, window.max.min(MOST_EVENTS), wait).await))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Appended {
    #[serde(default)]
    body: String,
    #[serde(default)]
    properties: Map<String, Value>,
    #[serde(default)]
    system_properties: Map<String, Value>,
}

async fn append(
    State(emitter): State<Arc<Emitter>>,
    Path((name, id)): Path<(String, String)>,
    Json(event): Json<Appended>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let not_found = || (StatusCode::NOT_FOUND, format!("there is no partition {id} of {name}"));
    let hub = emitter.event_hub(&name).ok_or_else(not_found)?;
    let partition = hub.partition(&id).ok_or_else(not_found)?;
    let body = STANDARD.decode(&event.body).map_err(|e| (StatusCode::BAD_REQUEST, format!("body: {e}")))?;
    let event = Event::new(body.into(), &event.properties, &event.system_properties);
    Ok(Json(json!({"sequenceNumber": partition.append(event)})))
}
