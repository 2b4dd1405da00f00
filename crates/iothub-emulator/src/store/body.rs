//! The body of an identity write, read before anything is locked.

use serde_json::{Map, Value};

use super::authentication::{Authentication, Owner};
use crate::error::{ErrorCode, HubError};

/// Longest `statusReason`, in characters (documented).
const STATUS_REASON_CHARS: usize = 128;

/// Members with a meaning here, or read-only; everything else is kept and given back.
const KNOWN: [&str; 16] = [
    "deviceId",
    "moduleId",
    "generationId",
    "etag",
    "connectionState",
    "connectionStateUpdatedTime",
    "status",
    "statusReason",
    "statusUpdatedTime",
    "lastActivityTime",
    "cloudToDeviceMessageCount",
    "authentication",
    "capabilities",
    "deviceScope",
    "parentScopes",
    "managedBy",
];

/// Members of a bulk item that are not the identity's (documented).
const OF_BULK: [&str; 6] = ["id", "importMode", "eTag", "twinETag", "tags", "properties"];

/// An identity as somebody wants it; read-only members are not in it.
#[derive(Debug, Clone)]
pub(super) struct IdentityBody {
    pub(super) authentication: Authentication,
    pub(super) enabled: bool,
    pub(super) status_reason: Option<String>,
    pub(super) capabilities: Map<String, Value>,
    pub(super) scope: Option<String>,
    pub(super) parent_scopes: Vec<String>,
    pub(super) managed_by: Option<String>,
    pub(super) extra: Map<String, Value>,
}

impl IdentityBody {
    /// Reads the body of a PUT, checking that the ids in it, if any, are those of the path.
    pub(super) fn read(body: &Value, device: &str, module: Option<&str>) -> Result<Self, HubError> {
        let Value::Object(body) = body else {
            return Err(HubError::new(ErrorCode::IotHubFormatError, "the body must be a JSON object"));
        };
        for (name, expected) in [("deviceId", Some(device)), ("moduleId", module)] {
            let given = body.get(name).and_then(Value::as_str);
            if given.is_some() && given != expected {
                return Err(HubError::invalid(format!("{name} in the body is not the one in the path")));
            }
        }
        Self::members(body, if module.is_some() { Owner::Module } else { Owner::Device })
    }

    /// The members that bulk items and PUT bodies share.
    pub(super) fn members(body: &Map<String, Value>, owner: Owner) -> Result<Self, HubError> {
        let mut capabilities = match body.get("capabilities") {
            Some(Value::Object(members)) => members.clone(),
            _ => Map::new(),
        };
        capabilities.entry("iotEdge").or_insert(Value::Bool(false));
        Ok(Self {
            authentication: Authentication::read(body.get("authentication"), owner)?,
            enabled: enabled(body.get("status"))?,
            status_reason: status_reason(body.get("statusReason"))?,
            capabilities,
            scope: text(body, "deviceScope"),
            parent_scopes: scopes(body.get("parentScopes")),
            managed_by: text(body, "managedBy"),
            extra: unknown(body),
        })
    }

    pub(super) fn is_edge(&self) -> bool {
        self.capabilities.get("iotEdge").and_then(Value::as_bool).unwrap_or(false)
    }
}

fn unknown(body: &Map<String, Value>) -> Map<String, Value> {
    let is = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let unknown = body.iter().filter(|(name, _)| !is(&KNOWN, name) && !is(&OF_BULK, name));
    unknown.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn enabled(status: Option<&Value>) -> Result<bool, HubError> {
    match status {
        None | Some(Value::Null) => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("enabled") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("disabled") => Ok(false),
        Some(other) => Err(HubError::invalid(format!("status {other} is not valid"))),
    }
}

fn status_reason(reason: Option<&Value>) -> Result<Option<String>, HubError> {
    let Some(text) = reason.and_then(Value::as_str) else { return Ok(None) };
    if text.chars().count() > STATUS_REASON_CHARS {
        return Err(HubError::invalid(format!(
            "statusReason may have {STATUS_REASON_CHARS} characters at most"
        )));
    }
    Ok(Some(text.to_owned()))
}

fn scopes(body: Option<&Value>) -> Vec<String> {
    let items = body.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// An object's members without `$…` ones at the top: the hub's own, accepted and ignored (observed).
pub(super) fn without_own_members(members: &Map<String, Value>) -> Map<String, Value> {
    let kept =
        members.iter().filter(|(name, _)| !matches!(name.as_str(), "$metadata" | "$version" | "$etag"));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}
