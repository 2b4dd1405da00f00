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
    match listed(world, "pending").await? {
        Some(pending) => Ok(pending),
        // An older program's word for it.
        None => Ok(listed(world, "owed").await?.unwrap_or_default()),
    }
}

/// `losses list --json`: the loss reports. None where the program does not make any.
///
/// # Errors
/// When it fails or says no list.
pub(crate) async fn losses(world: &World) -> Result<Vec<Value>, LabError> {
    Ok(listed(world, "losses").await?.unwrap_or_default())
}

/// `pending retry`: everything that is pending is looked at again now. What is still pending is no error.
///
/// # Errors
/// When the program cannot be run.
pub(crate) async fn retry_pending(world: &World) -> Result<(), LabError> {
    if !world.run(&["pending", "retry"]).await?.is_known() {
        world.run(&["owed", "retry"]).await?;
    }
    Ok(())
}

/// `rejoin --accept`: the former active hub's rejoining is ended as planned. Whether there is such a command.
///
/// # Errors
/// When the program cannot be run.
pub(crate) async fn accept_rejoining(world: &World) -> Result<bool, LabError> {
    Ok(world.run(&["rejoin", "--accept"]).await?.is_known())
}

async fn listed(world: &World, what: &str) -> Result<Option<Vec<Value>>, LabError> {
    let mut ran = world.run(&[what, "list", "--json", "--limit", ALL]).await?;
    if !ran.is_known() {
        ran = world.run(&[what, "list", "--json"]).await?;
    }
    if !ran.is_known() {
        return Ok(None);
    }
    let failed = |why: String| LabError::Program(format!("iot-hadr {what} list"), why);
    if !ran.is_done() {
        return Err(failed(ran.complaint));
    }
    serde_json::from_str(&ran.output).map(Some).map_err(|error| failed(error.to_string()))
}
