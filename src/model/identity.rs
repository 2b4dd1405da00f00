//! A registry entry, kept whole: members this program does not know survive.

use jiff::Timestamp;
use serde_json::Value;

use super::{ETag, Object};

/// Members that a hub sets itself and that never travel between hubs (observed and documented).
const READ_ONLY: [&str; 12] = [
    "etag",
    "generationId",
    "connectionState",
    "connectionStateUpdatedTime",
    "statusUpdatedTime",
    "statusUpdateTime",
    "lastActivityTime",
    "cloudToDeviceMessageCount",
    "deviceEtag",
    "version",
    "deviceId",
    "moduleId",
];

/// Ticks of 100 ns from the year 1 to 1970: a generation is a time counted so (observed).
const TICKS_BEFORE_1970: i64 = 621_355_968_000_000_000;

/// When an identity of this generation was made, where a generation is a time.
pub fn made_at(generation: &str) -> Option<Timestamp> {
    let ticks = generation.parse::<i64>().ok()?.checked_sub(TICKS_BEFORE_1970)?;
    Timestamp::from_nanosecond(i128::from(ticks) * 100).ok()
}

/// A device or module identity as the service API gives it, keys included.
#[derive(Clone, PartialEq)]
pub struct IdentityDocument(Object);

impl IdentityDocument {
    /// Takes the service's JSON object.
    pub fn new(members: Object) -> Self {
        Self(members)
    }

    /// All members, read-only ones included.
    pub fn members(&self) -> &Object {
        &self.0
    }

    /// The registry's ETag of this identity.
    pub fn etag(&self) -> Option<ETag> {
        self.text("etag").map(ETag::new)
    }

    /// Distinguishes a device from an earlier one of the same id.
    pub fn generation_id(&self) -> Option<&str> {
        self.text("generationId")
    }

    /// `enabled` unless the hub says otherwise (modules have no status).
    pub fn is_enabled(&self) -> bool {
        self.text("status").is_none_or(|status| status.eq_ignore_ascii_case("enabled"))
    }

    /// Whether this is an IoT Edge device.
    pub fn is_edge(&self) -> bool {
        self.0.get("capabilities").and_then(|c| c.get("iotEdge")).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The scope: of an edge device its own, of a leaf its parent's.
    pub fn device_scope(&self) -> Option<&str> {
        self.text("deviceScope").filter(|scope| !scope.is_empty())
    }

    /// What travels: every member that is neither read-only nor a scope (scopes embed the hub's own
    /// generation and are mapped apart), nulls left out.
    pub fn portable(&self) -> Object {
        self.0
            .iter()
            .filter(|(name, value)| {
                !READ_ONLY.contains(&name.as_str())
                    && !matches!(name.as_str(), "deviceScope" | "parentScopes")
                    && !value.is_null()
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

/// Shows names only: the document holds keys.
impl std::fmt::Debug for IdentityDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn identity(value: Value) -> IdentityDocument {
        IdentityDocument::new(value.as_object().cloned().unwrap())
    }

    #[test]
    fn what_travels_is_everything_that_the_hub_does_not_set_itself() {
        let document =
            identity(json!({"deviceId": "d", "etag": "NDcx", "generationId": "6389", "status": "enabled",
            "statusReason": null, "connectionState": "Disconnected", "authentication": {"type": "sas"},
            "capabilities": {"iotEdge": false}, "deviceScope": "ms-azure-iot-edge://d-1", "parentScopes": [],
            "laterMember": {"a": 1}}));
        assert_eq!(
            Value::Object(document.portable()),
            json!({"status": "enabled", "authentication": {"type": "sas"}, "capabilities": {"iotEdge": false},
                "laterMember": {"a": 1}})
        );
    }

    #[test]
    fn a_generation_is_the_time_at_which_it_was_made() {
        assert_eq!(made_at("638912345678901234").unwrap().to_string(), "2025-08-19T21:09:27.8901234Z");
        assert_eq!(made_at("not a number"), None);
    }

    #[test]
    fn its_debug_form_shows_no_key() {
        let document = identity(json!({"authentication": {"symmetricKey": {"primaryKey": "c2VjcmV0"}}}));
        assert_eq!(format!("{document:?}"), r#"["authentication"]"#);
    }

    #[test]
    fn a_module_without_a_status_is_enabled() {
        assert!(identity(json!({"moduleId": "m"})).is_enabled());
        assert!(!identity(json!({"status": "Disabled"})).is_enabled());
    }
}
