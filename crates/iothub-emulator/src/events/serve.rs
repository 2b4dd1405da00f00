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

use super::{Bounds, Emitter, Enqueued, Event};

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
    partition.reaches(window.from, wait).await;
    let events = partition.from(window.from, window.max.min(MOST_EVENTS));
    let Bounds { beginning, next, .. } = partition.bounds();
    let last = i64::try_from(next).unwrap_or(i64::MAX) - 1;
    let events: Vec<Value> = events.iter().map(shown).collect();
    Ok(Json(json!({"beginningSequenceNumber": beginning, "lastSequenceNumber": last, "events": events})))
}

fn shown(enqueued: &Enqueued) -> Value {
    let event = &enqueued.event;
    json!({
        "sequenceNumber": enqueued.sequence,
        "offset": enqueued.offset.to_string(),
        "enqueuedTimeUtc": format!("{:.3}", enqueued.at.timestamp()),
        "partitionKey": event.partition_key(),
        "body": STANDARD.encode(event.body()),
        "properties": event.properties(),
        "systemProperties": event.system(),
    })
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
    #[serde(default)]
    partition_key: Option<String>,
}

async fn append(
    State(emitter): State<Arc<Emitter>>,
    Path((name, id)): Path<(String, String)>,
    Json(event): Json<Appended>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let not_found = || (StatusCode::NOT_FOUND, format!("there is no partition {id} of {name}"));
    let hub = emitter.event_hub(&name).ok_or_else(not_found)?;
    hub.partition(&id).ok_or_else(not_found)?;
    let body = STANDARD.decode(&event.body).map_err(|e| (StatusCode::BAD_REQUEST, format!("body: {e}")))?;
    let key = event.partition_key.unwrap_or_default();
    let event = Event::keyed(&body, &event.properties, &event.system_properties, &key);
    let partition = id.parse().map_err(|_| not_found())?;
    let appended = emitter.append(&name, partition, event);
    let sequence = appended.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Json(json!({"sequenceNumber": sequence.ok_or_else(not_found)?})))
}
