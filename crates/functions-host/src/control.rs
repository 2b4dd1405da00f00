//! The control port: what the real host does not have, for tests and demonstrations.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::event_hub::{self, Partition, Positions};
use crate::handler::{Handler, Kill};
use crate::timer::Timers;

/// Everything that can be steered.
pub(crate) struct Controls {
    pub(crate) handler: Handler,
    pub(crate) partitions: Vec<Arc<Partition>>,
    pub(crate) positions: Positions,
    pub(crate) paused: watch::Sender<bool>,
    pub(crate) timers: Timers,
}

/// The whole control API on one page.
pub(crate) fn router(controls: Arc<Controls>) -> Router {
    Router::new()
        .route("/positions", get(positions))
        .route("/handler", get(handler))
        .route("/handler/kill", post(kill))
        .route("/partitions/{function}/{partition}/move", post(move_partition))
        .route("/partitions/{function}/{partition}/release", post(release_partition))
        .route("/partitions/{function}/{partition}/acquire", post(acquire_partition))
        .route(
            "/pause",
            post(|State(controls): State<Arc<Controls>>| async move { set_paused(&controls, true) }),
        )
        .route(
            "/resume",
            post(|State(controls): State<Arc<Controls>>| async move { set_paused(&controls, false) }),
        )
        .route("/idle", get(idle))
        .route("/timers/{function}/run", post(run_timer))
        .with_state(controls)
}

async fn positions(State(controls): State<Arc<Controls>>) -> Response {
    Json(controls.positions.all()).into_response()
}

async fn handler(State(controls): State<Arc<Controls>>) -> Json<Value> {
    let status = controls.handler.status();
    Json(json!({
        "pid": status.pid,
        "port": controls.handler.port(),
        "restarts": status.restarts,
        "state": format!("{:?}", status.phase).to_lowercase(),
    }))
}

/// SIGKILL, counted as a crash.
async fn kill(State(controls): State<Arc<Controls>>) -> Json<Value> {
    let pid = controls.handler.status().pid;
    controls.handler.kill(pid, Kill::ByHand).await;
    Json(json!({ "killed": pid }))
}

/// Function and partition id.
type Place = Path<(String, String)>;

async fn move_partition(State(controls): State<Arc<Controls>>, place: Place) -> Response {
    on_partition(&controls, &place, |partition| Ok(partition.move_to_another_owner()))
}

/// Given up here, for another host to acquire: two hosts must never own one partition.
async fn release_partition(State(controls): State<Arc<Controls>>, place: Place) -> Response {
    on_partition(&controls, &place, |partition| Ok(partition.release()))
}

async fn acquire_partition(State(controls): State<Arc<Controls>>, place: Place) -> Response {
    on_partition(&controls, &place, Partition::acquire)
}

fn on_partition(
    controls: &Controls,
    Path((function, partition)): &Place,
    act: impl FnOnce(&Arc<Partition>) -> std::io::Result<i64>,
) -> Response {
    let mut known = controls.partitions.iter();
    let found = known.find(|known| known.name() == function && known.id() == partition);
    match found.map(act) {
        Some(Ok(from)) => Json(json!({ "from": from })).into_response(),
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn set_paused(controls: &Controls, paused: bool) -> Json<Value> {
    controls.paused.send_replace(paused);
    Json(json!({ "paused": paused }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdleQuery {
    /// How long to wait at most, in milliseconds.
    #[serde(default)]
    wait_ms: u64,
}

/// 200 as soon as everything is worked off; 409 with the positions when it is not by then.
async fn idle(State(controls): State<Arc<Controls>>, Query(query): Query<IdleQuery>) -> Response {
    let deadline = Instant::now() + Duration::from_millis(query.wait_ms);
    let busy = || controls.timers.busy();
    let idle = event_hub::is_idle(&controls.partitions, &controls.positions, busy, deadline).await;
    let status = if idle { StatusCode::OK } else { StatusCode::CONFLICT };
    (status, Json(json!({ "idle": idle, "positions": controls.positions.all() }))).into_response()
}

async fn run_timer(State(controls): State<Arc<Controls>>, Path(function): Path<String>) -> StatusCode {
    if controls.timers.run_now(&function, None).await { StatusCode::ACCEPTED } else { StatusCode::NOT_FOUND }
}
