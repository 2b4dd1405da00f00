//! What an operator asks of the app, by its command line.

use serde_json::Value;

use crate::error::LabError;
use crate::world::World;

/// More than any run leaves behind.
const ALL: &str = "100000";

/// `status --json`.
///
/// # Errors
/// When it fails or says no JSON.
pub(crate) async fn status(world: &World) -> Result<Value, LabError> {
    let text = world.app(&["status", "--json"]).await?;
    serde_json::from_str(&text).map_err(|error| LabError::Program("status".to_owned(), error.to_string()))
}

/// Whether the record says that roles are settled: this hub active, the other one in-sync.
///
/// # Errors
/// When `status` fails.
pub(crate) async fn is_in_sync(world: &World, active: &str) -> Result<bool, LabError> {
    let status = status(world).await?;
    let says = |member: &str| status.pointer(&format!("/record/{member}")).and_then(Value::as_str);
    let steady = says("phase") == Some("steady") && says("active") == Some(active);
    Ok(steady && says("standbyState") == Some("in-sync"))
}

/// `pending list --json`: identities that are not right yet.
///
/// # Errors
/// When it fails or says no list.
pub(crate) async fn pending(world: &World) -> Result<Vec<Value>, LabError> {
    listed(world, "pending").await
}

/// `losses list --json`: the loss reports.
///
/// # Errors
/// When it fails or says no list.
pub(crate) async fn losses(world: &World) -> Result<Vec<Value>, LabError> {
    listed(world, "losses").await
}

/// `pending retry`: everything that is pending is looked at again now. What is still pending is no error.
///
/// # Errors
/// When the program cannot be run.
pub(crate) async fn retry_pending(world: &World) -> Result<(), LabError> {
    world.run(&["pending", "retry"]).await.map(drop)
}

/// `rejoin --accept`: the former active hub's rejoining is ended as planned. What is not yet possible is no error.
///
/// # Errors
/// When the program cannot be run.
pub(crate) async fn accept_rejoining(world: &World) -> Result<(), LabError> {
    world.run(&["rejoin", "--accept"]).await.map(drop)
}

async fn listed(world: &World, what: &str) -> Result<Vec<Value>, LabError> {
    let text = world.app(&[what, "list", "--json", "--limit", ALL]).await?;
    let failed =
        |error: serde_json::Error| LabError::Program(format!("iot-hadr {what} list"), error.to_string());
    serde_json::from_str(&text).map_err(failed)
}
