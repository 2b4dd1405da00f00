//! The router's yardstick: a bare axum route that returns a constant, in a process of its own.

use std::net::Ipv4Addr;
use std::path::Path;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::error::LabError;

/// As long as a real answer.
const ANSWER: &str =
    r#"{"iotHub":"127.0.0.1:43211","hub":"primary","epoch":1,"validForSeconds":300,"stale":false}"#;

/// Serves until the process is ended; prints its port in one JSON line.
///
/// # Errors
/// When no port can be bound.
pub(crate) async fn serve() -> Result<(), LabError> {
    let failed = || LabError::file(Path::new("the constant route's port"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed())?;
    println!("{{\"port\":{}}}", listener.local_addr().map_err(failed())?.port());
    let answer = || async { ([(header::CONTENT_TYPE, "application/json")], ANSWER) };
    let routes = Router::new().route("/api/hub-router/{*device}", get(answer));
    axum::serve(listener, routes).await.map_err(failed())
}
