//! The control port over plain HTTP.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Fault, HubControl, Outage};
use crate::events::{Emitter, Order, Rule};
use crate::store::{Hub, Switches};
use crate::throttle::{Flat, Throttling, Tier};

/// Everything the control port reaches.
#[derive(Debug)]
pub struct ControlPort {
    /// The hubs and their trouble.
    pub hubs: Vec<(Arc<Hub>, Arc<HubControl>)>,
    /// The event logs.
    pub emitter: Arc<Emitter>,
    /// The inferred behaviours.
    pub switches: Arc<Switches>,
}

type Port = State<Arc<ControlPort>>;
type Refused = (StatusCode, String);

impl ControlPort {
    fn hub(&self, name: &str) -> Result<&(Arc<Hub>, Arc<HubControl>), Refused> {
        let found = self.hubs.iter().find(|(hub, _)| hub.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| (StatusCode::NOT_FOUND, format!("there is no hub {name}")))
    }

    fn control(&self, name: &str) -> Result<&HubControl, Refused> {
        self.hub(name).map(|(_, control)| &**control)
    }
}

/// Serves the control port over plain HTTP until `stop`.
pub async fn serve(listener: TcpListener, port: ControlPort, stop: CancellationToken) {
    let routes = Router::new()
        .route("/hubs/{name}/outage", post(outage))
        .route("/hubs/{name}/latency", post(latency))
        .route("/hubs/{name}/throttle", post(throttle))
        .route("/hubs/{name}/tier", get(throttled).post(set_tier).delete(forget_throttled))
        .route("/hubs/{name}/faults", post(add_fault).delete(clear_faults))
        .route("/hubs/{name}/faults/release", post(release_writes))
        .route("/hubs/{name}/requests", get(requests).delete(forget_requests))
        .route("/hubs/{name}/requests/summary", get(summary))
        .route("/hubs/{name}/connections", get(connections))
        .route("/hubs/{name}/state", get(state))
        .route("/events", post(rule).delete(clear_rules))
        .route("/events/release", post(release_events))
        .route("/barrier", get(barrier))
        .route("/switches", get(switches).post(set_switches))
        .with_state(Arc::new(port));
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        ended = served => if let Err(error) = ended {
            tracing::error!(%error, "the control port is no longer served");
        },
        () = stop.cancelled() => {}
    }
}

#[derive(Debug, Deserialize)]
struct OutageBody {
    mode: Outage,
}

async fn outage(
    State(port): Port,
    Path(name): Path<String>,
    Json(body): Json<OutageBody>,
) -> Result<Json<Value>, Refused> {
    port.control(&name)?.outage.send_replace(body.mode);
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
struct LatencyBody {
    milliseconds: u64,
}

async fn latency(
    State(port): Port,
    Path(name): Path<String>,
    Json(body): Json<LatencyBody>,
) -> Result<Json<Value>, Refused> {
    port.control(&name)?.lock().latency = Duration::from_millis(body.milliseconds);
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThrottleBody {
    per_second: Option<f64>,
}

async fn throttle(
    State(port): Port,
    Path(name): Path<String>,
    Json(body): Json<ThrottleBody>,
) -> Result<Json<Value>, Refused> {
    port.control(&name)?.lock().throttle = body.per_second.map(Flat::new);
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TierBody {
    /// `null`: no throttles.
    tier: Option<Tier>,
    #[serde(default = "as_it_passes")]
    time_scale: f64,
}

fn as_it_passes() -> f64 {
    1.0
}

async fn set_tier(
    State(port): Port,
    Path(name): Path<String>,
    Json(body): Json<TierBody>,
) -> Result<Json<Value>, Refused> {
    let throttles = port.control(&name)?.throttles();
    let wanted = body.tier.map(|tier| Throttling::new(tier, body.time_scale)).transpose();
    throttles.set(wanted.map_err(|why| (StatusCode::BAD_REQUEST, why))?);
    Ok(Json(throttles.to_json()))
}

async fn throttled(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(port.control(&name)?.throttles().to_json()))
}

async fn forget_throttled(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    port.control(&name)?.throttles().forget();
    Ok(Json(json!({})))
}

async fn add_fault(
    State(port): Port,
    Path(name): Path<String>,
    Json(fault): Json<Fault>,
) -> Result<Json<Value>, Refused> {
    let id = port.control(&name)?.lock().faults.add(fault);
    Ok(Json(json!({ "id": id })))
}

async fn clear_faults(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    port.control(&name)?.lock().faults.clear();
    Ok(Json(json!({})))
}

async fn release_writes(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(json!({"released": port.control(&name)?.release()})))
}

async fn requests(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(port.control(&name)?.lock().memory.list()))
}

async fn forget_requests(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    port.control(&name)?.lock().memory.clear();
    Ok(Json(json!({})))
}

async fn summary(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(port.control(&name)?.lock().memory.summary()))
}

async fn connections(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(port.control(&name)?.counted()))
}

async fn state(State(port): Port, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    Ok(Json(port.hub(&name)?.0.snapshot().into()))
}

async fn rule(State(port): Port, Json(rule): Json<Rule>) -> Result<Json<Value>, Refused> {
    if port.emitter.event_hub(&rule.event_hub).is_none() {
        return Err((StatusCode::NOT_FOUND, format!("there is no event hub {}", rule.event_hub)));
    }
    port.emitter.rule(rule);
    Ok(Json(json!({})))
}

async fn clear_rules(State(port): Port) -> Json<Value> {
    port.emitter.clear_rules();
    Json(json!({}))
}

#[derive(Debug, Default, Deserialize)]
struct ReleaseBody {
    #[serde(default)]
    order: Order,
}

async fn release_events(State(port): Port, body: Option<Json<ReleaseBody>>) -> Json<Value> {
    let order = body.map(|Json(body)| body.order).unwrap_or_default();
    Json(json!({"released": port.emitter.release(order)}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BarrierQuery {
    /// Accepted so that callers may bound any wait; events are in the logs as soon as the write is answered, and what a
    /// switch makes late arrives now.
    #[serde(default, rename = "waitMs")]
    _wait_ms: u64,
}

async fn barrier(State(port): Port, Query(_): Query<BarrierQuery>) -> Json<Value> {
    port.emitter.let_go_late();
    Json(port.emitter.positions())
}

async fn switches(State(port): Port) -> Json<Value> {
    Json(port.all_switches())
}

/// Switches by name.
async fn set_switches(
    State(port): Port,
    Json(wanted): Json<Map<String, Value>>,
) -> Result<Json<Value>, Refused> {
    for (name, value) in wanted {
        port.set_switch(&name, &value).map_err(|why| (StatusCode::BAD_REQUEST, why))?;
    }
    Ok(Json(port.all_switches()))
}
