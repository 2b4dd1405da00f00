//! The whole app on one page: what is served, and by what.

mod log_writer;
mod logging;
mod machinery;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{any, get};
use tokio::net::TcpListener;

pub use logging::{log_to_the_host, log_to_the_operator};
use machinery::Machinery;

use crate::config::Config;
use crate::functions;
use crate::host::{
    Ended, Endpoint, EventBatch, HttpCall, event_hub_function, http_function, not_a_function, serve,
};

/// How much longer than its own deadline a function may take before it is cut off.
const GRACE: Duration = Duration::from_secs(20);

/// Answers the host on `listener` until the process is told to end.
pub async fn run(config: Config, listener: TcpListener) -> Ended {
    let shutdown = config.shutdown;
    if config.primary.name.eq_ignore_ascii_case(&config.secondary.name) {
        // Full host names still tell them apart; events that give a short name become dead letters.
        tracing::warn!(
            name = config.primary.name,
            "both hubs have this name: set HADR_HUB1_NAME and HADR_HUB2_NAME"
        );
    }
    let machinery = Arc::new(Machinery::new(config));
    machinery.warm_up();
    let ended = serve(listener, routes(&machinery), shutdown).await;
    machinery.stop().await;
    ended
}

fn routes(machinery: &Arc<Machinery>) -> Router {
    let config = machinery.config();
    let endpoint = Endpoint::new(config.invocation + GRACE);
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
    let hub_router = http_function(&endpoint, functions::hub_router::NAME, move |call: HttpCall| {
        let app = Arc::clone(&app);
        async move { app.hub_router().await.called(call).await }
    });
    let app = shared();
    let forwarded = move |request: Request| {
        let app = Arc::clone(&app);
        async move { app.hub_router().await.forwarded(request).await }
    };
    let app = shared();

    Router::new()
        .route("/", get(ready))
        .route("/registry-sync", registry_sync)
        .route("/twin-sync", twin_sync)
        .route("/hub-router", hub_router.get(forwarded.clone()))
        .route("/hub-router/{*deviceId}", any(forwarded.clone()))
        .route("/api/hub-router", any(forwarded.clone()))
        .route("/api/hub-router/{*deviceId}", any(forwarded))
        .fallback(move |request: Request| elsewhere(app, request))
}

/// The host asks until it gets any answer, and again later to see whether the handler lives.
async fn ready() -> &'static str {
    "iot-hadr\n"
}

/// `http.routePrefix` in host.json may be another one than `api`.
async fn elsewhere(app: Arc<Machinery>, request: Request) -> Response {
    let mut segments = request.uri().path().split('/');
    if segments.any(|segment| segment == functions::hub_router::NAME) {
        return app.hub_router().await.forwarded(request).await;
    }
    not_a_function(request).await
}
