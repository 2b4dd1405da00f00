//! The two hubs by role, and the app's own identity on each.

use serde_json::json;

use super::record::HubRole;
use crate::iothub::{Deadline, HubClient, HubError, HubErrorKind};
use crate::model::{DeviceId, IdentityId, Object, PROBE_PREFIX};

/// The two configured hubs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hubs {
    /// `iothub1`.
    pub primary: HubClient,
    /// `iothub2`.
    pub secondary: HubClient,
}

impl Hubs {
    /// The hub of this name.
    pub fn get(&self, role: HubRole) -> &HubClient {
        match role {
            HubRole::Primary => &self.primary,
            HubRole::Secondary => &self.secondary,
        }
    }

    /// Makes the probe identity on both hubs, keys by the hub itself; fine where it exists.
    pub async fn make_probes(&self, deadline: Deadline) -> Result<(), (HubRole, HubError)> {
        let Some(id) = probe_identity() else { return Ok(()) };
        for role in [HubRole::Primary, HubRole::Secondary] {
            make_probe(self.get(role), &id, deadline).await.map_err(|error| (role, error))?;
        }
        Ok(())
    }
}

/// The app's own identity: by it a hub is recognised as the one that is known.
pub fn probe_identity() -> Option<IdentityId> {
    format!("{PROBE_PREFIX}1").parse::<DeviceId>().ok().map(IdentityId::device)
}

/// Whether the hub has the probe identity; `Err` when that cannot be told.
pub async fn probe_present(hub: &HubClient, deadline: Deadline) -> Result<bool, HubError> {
    let Some(id) = probe_identity() else { return Ok(false) };
    match hub.twin(&id, deadline).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == HubErrorKind::Absent => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes one of the app's own identities, unless it is there.
///
/// # Errors
/// The hub's refusal, or that it gives no answer.
pub async fn make_probe(hub: &HubClient, id: &IdentityId, deadline: Deadline) -> Result<(), HubError> {
    let body: Object = [
        ("status".to_owned(), json!("enabled")),
        ("statusReason".to_owned(), json!("belongs to iot-hadr")),
        ("authentication".to_owned(), json!({"type": "sas"})),
    ]
    .into_iter()
    .collect();
    match hub.create_identity(id, &body, deadline).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind == HubErrorKind::Exists => Ok(()),
        Err(error) => Err(error),
    }
}
