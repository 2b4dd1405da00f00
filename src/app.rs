//! The whole app on one page: what is served, and by what.

mod log_writer;
mod logging;
mod machinery;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;

pub use logging::{log_to_the_host, log_to_the_operator};
use machinery::Machinery;

use crate::config::{BadSetting, Config};
use crate::functions::hub_router::{self, HubRouter};
use crate::host::{
    Ended, Endpoint, EventBatch, HttpCall, event_hub_function, http_function, largest_batch, not_a_function,
    serve,
};

/// How much longer than its own deadline a function may take before it is cut off.
const GRACE: Duration = Duration::from_secs(20);

/// Largest event that a hub routes, with its properties, in bytes (documented: 256 KB).
const MAX_EVENT: usize = 256 << 10;

/// Answers the host on `listener` until the process is told to end.
pub async fn run(config: Config, listener: TcpListener) -> Ended {
    let shutdown = config.shutdown;
    for BadSetting { name, why } in &config.faults {
        tracing::error!(setting = name, "{why}");
    }
    let machinery = Arc::new(Machinery::new(config));
    machinery.warm_up();
    let ended = serve(listener, routes(&machinery), shutdown).await;
    machinery.stop().await;
    ended
}

fn routes(machinery: &Arc<Machinery>) -> Router {
    let config = machinery.config();
    let endpoint =
        Endpoint::new(config.invocation + GRACE, largest_batch(config.max_event_batch_size, MAX_EVENT));
    let shared = || Arc::clone(machinery);

    let app = shared();
    let registry_sync = event_hub_function(&endpoint, "registry-sync", move |batch: EventBatch| {
        let app = Arc::clone(&app);
        async move { app.registry_sync(batch).await }
    });
    let app = shared();
    let twin_sync = event_hub_function(&endpoint, "twin-sync", move |batch: EventBatch| {
        let app = Arc::clone(&app);
        async move { app.twin_sync(batch).await }
    });
    let app = shared();
    let payload_form = http_function(&endpoint, hub_router::NAME, move |call: HttpCall| {
        let app = Arc::clone(&app);
        async move { app.hub_router().await.called(call).await }
    });
    let others = |app| move |request: Request| elsewhere(app, request);

    Router::new()
        .route("/", get(ready))
        .route("/registry-sync", registry_sync)
        .route("/twin-sync", twin_sync)
        // With an empty route prefix, devices ask at the address where the host invokes.
        .route("/hub-router", payload_form.get(others(shared())).fallback(others(shared())))
        .fallback(others(shared()))
}

/// The host asks until it gets any answer, and again later to see whether the handler lives.
async fn ready() -> &'static str {
    "iot-hadr\n"
}

/// What is no invocation: calls of devices, whatever `http.routePrefix` of host.json is.
async fn elsewhere(app: Arc<Machinery>, request: Request) -> Response {
    if HubRouter::serves(request.uri().path()) {
        return app.hub_router().await.forwarded(request).await;
    }
    not_a_function(request).await
}
