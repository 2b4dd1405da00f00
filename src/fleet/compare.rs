//! Which identities seem to differ, of all that both hubs have: a query for each, no proof.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::iothub::{Deadline, HubClient, HubError, OperationClass};
use crate::model::{IdentityId, Object, TwinDocument};
use crate::routing::{HubRole, Hubs};

/// For one call, its retries included.
const CALL: Duration = Duration::from_secs(30);
/// For the turn of one page: the smallest share of the smallest tier is one a minute.
const TURN: Duration = Duration::from_secs(150);
const QUERIES: [&str; 2] = ["SELECT * FROM devices", "SELECT * FROM devices.modules"];

/// Why the hubs cannot be compared.
#[derive(Debug, Clone)]
pub struct CannotCompare {
    /// Which hub gave no answer.
    pub hub: HubRole,
    /// What it said.
    pub error: HubError,
}

type Fingerprints = BTreeMap<IdentityId, [u8; 16]>;

/// Identities that differ at first sight. Queries lag behind (documented), so each has to be looked
/// at directly. Holds one id and sixteen bytes per identity and hub.
pub async fn apparent_differences(hubs: &Hubs) -> Result<BTreeSet<IdentityId>, CannotCompare> {
    let (one, other) =
        futures::try_join!(fingerprints(hubs, HubRole::Primary), fingerprints(hubs, HubRole::Secondary))?;
    let differs = |id: &&IdentityId| one.get(*id) != other.get(*id);
    Ok(one.keys().chain(other.keys()).filter(differs).cloned().collect())
}

async fn fingerprints(hubs: &Hubs, role: HubRole) -> Result<Fingerprints, CannotCompare> {
    let mut found = Fingerprints::new();
    for query in QUERIES {
        page_through(hubs.get(role), query, &mut found)
            .await
            .map_err(|error| CannotCompare { hub: role, error })?;
    }
    Ok(found)
}

async fn page_through(hub: &HubClient, query: &str, found: &mut Fingerprints) -> Result<(), HubError> {
    let mut continuation = None;
    loop {
        let hub = hub.turn(OperationClass::Query, Deadline::after(TURN)).await?;
        let page = hub.query(query, continuation.as_deref(), Deadline::after(CALL)).await?;
        found.extend(page.rows.into_iter().filter_map(fingerprint));
        match page.continuation {
            Some(next) => continuation = Some(next),
            None => return Ok(()),
        }
    }
}

/// `None` for what is not an identity of the fleet.
fn fingerprint(row: Value) -> Option<(IdentityId, [u8; 16])> {
    let Value::Object(members) = row else { return None };
    let id = identity(&members)?;
    if id.device.is_probe() || !id.fits_a_url() {
        return None;
    }
    let text = essence(&id, TwinDocument::from_json(members).ok()?).to_string();
    let digest = Sha256::digest(text.as_bytes());
    digest.first_chunk::<16>().map(|first| (id, *first))
}

fn identity(row: &Object) -> Option<IdentityId> {
    let device = row.get("deviceId")?.as_str()?.parse().ok()?;
    match row.get("moduleId").and_then(Value::as_str) {
        Some(module) => Some(IdentityId::module(device, module.parse().ok()?)),
        None => Some(IdentityId::device(device)),
    }
}

/// What must be equal. Modules have no status of their own.
fn essence(id: &IdentityId, twin: TwinDocument) -> Value {
    json!({
        "enabled": id.module.is_some() || twin.is_enabled(),
        "tags": twin.tags,
        "desired": twin.desired.values,
        "reported": twin.reported.values,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(device: &str, tag: u32, reported: Value) -> Value {
        json!({
            "deviceId": device, "etag": "AAA=", "status": "enabled", "version": tag, "tags": {"n": tag},
            "properties": {"desired": {"$version": 3, "$metadata": {}}, "reported": reported},
        })
    }

    #[test]
    fn counters_of_the_hub_make_no_difference_and_values_do() {
        let one = fingerprint(row("d", 1, json!({"a": 1, "$version": 7, "$metadata": {"a": 1}})));
        let same = fingerprint(row("d", 1, json!({"a": 1, "$version": 9})));
        let other = fingerprint(row("d", 1, json!({"a": 2, "$version": 7})));
        assert!(one.is_some() && one == same && one != other);
    }

    #[test]
    fn the_apps_own_identities_are_not_compared() {
        assert_eq!(fingerprint(row("hadr-probe-1", 1, json!({}))), None);
    }

    #[test]
    fn a_row_without_an_id_is_no_identity() {
        assert_eq!(fingerprint(json!({"count": 3})), None);
    }
}
