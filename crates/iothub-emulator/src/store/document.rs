//! Identities and twins as the hub prints them.

use serde_json::{Map, Value, json};

use super::devices::Found;
use super::{DeviceRecord, Id, IdentityRecord, ModuleRecord};
use crate::stamp::Stamp;

/// Responses to writes print empty `parentScopes`, reads do not. The response to a creation, and it alone, prints times
/// without `Z` (recorded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The response to a creation.
    Created,
    /// The response to an update.
    Updated,
    /// The response to a read.
    Read,
}

impl Occasion {
    fn time(self, stamp: Stamp) -> Value {
        let text = stamp.to_string();
        match self {
            Self::Created => text.trim_end_matches('Z').into(),
            Self::Updated | Self::Read => text.into(),
        }
    }
}

/// The device identity, keys included.
pub(crate) fn device_identity(device: &DeviceRecord, id: &str, occasion: Occasion) -> Value {
    let mut all = shared(&device.identity, id, occasion);
    all.insert("status".to_owned(), status(device).into());
    all.insert("statusReason".to_owned(), json!(device.status_reason));
    all.insert("statusUpdatedTime".to_owned(), occasion.time(device.status_updated));
    all.insert("capabilities".to_owned(), Value::Object(device.capabilities.clone()));
    if let Some(scope) = &device.scope {
        all.insert("deviceScope".to_owned(), scope.as_str().into());
    }
    if occasion != Occasion::Read || !device.parent_scopes.is_empty() {
        all.insert("parentScopes".to_owned(), json!(device.parent_scopes));
    }
    Value::Object(all)
}

/// The module identity, keys included.
pub(crate) fn module_identity(module: &ModuleRecord, id: &str, module_id: &str, occasion: Occasion) -> Value {
    let mut all = shared(&module.identity, id, occasion);
    all.insert("moduleId".to_owned(), module_id.into());
    all.insert("managedBy".to_owned(), json!(module.managed_by));
    Value::Object(all)
}

fn shared(identity: &IdentityRecord, id: &str, occasion: Occasion) -> Map<String, Value> {
    let mut all = identity.extra.clone();
    let mut put = |name: &str, value: Value| drop(all.insert(name.to_owned(), value));
    put("deviceId", id.into());
    put("generationId", identity.generation.dotnet_ticks().to_string().into());
    put("etag", identity.etag().into());
    put("connectionState", connection(identity).into());
    put("connectionStateUpdatedTime", occasion.time(identity.connection_updated));
    put("lastActivityTime", occasion.time(identity.last_activity));
    put("cloudToDeviceMessageCount", 0.into());
    put("authentication", identity.authentication.to_json());
    all
}

/// The twin of a device or module. Without `properties` it is cheaper; a query that never looks at them asks for that.
pub(crate) fn twin(found: &Found, id: &Id, with_properties: bool) -> Value {
    let (device, identity) = (&found.device, found.identity());
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| drop(all.insert(name.to_owned(), value));
    put("deviceId", id.device.as_str().into());
    put("etag", identity.twin.etag().into());
    put("deviceEtag", identity.etag().into());
    put("status", status(device).into());
    put("statusUpdateTime", device.status_updated.to_string().into());
    put("connectionState", connection(identity).into());
    put("lastActivityTime", identity.last_activity.to_string().into());
    put("cloudToDeviceMessageCount", 0.into());
    put("authenticationType", identity.authentication.kind.name().into());
    put("x509Thumbprint", identity.authentication.thumbprint_json());
    put("modelId", identity.model.as_str().into());
    put("version", identity.twin.version().into());
    if !identity.twin.tags.is_empty() {
        put("tags", Value::Object(identity.twin.tags.clone()));
    }
    if with_properties {
        put("properties", identity.twin.properties());
    }
    match &id.module {
        Some(module) => put("moduleId", module.as_str().into()),
        None => device_only(device, &mut put),
    }
    Value::Object(all)
}

/// A row of a query: the twin, of modules with the capabilities of their device (recorded).
pub(crate) fn row(found: &Found, id: &Id, with_properties: bool) -> Value {
    let mut twin = twin(found, id, with_properties);
    if let (Value::Object(all), Some(_)) = (&mut twin, &id.module) {
        all.insert("capabilities".to_owned(), Value::Object(found.device.capabilities.clone()));
    }
    twin
}

fn device_only(device: &DeviceRecord, put: &mut impl FnMut(&str, Value)) {
    put("capabilities", Value::Object(device.capabilities.clone()));
    if let Some(reason) = &device.status_reason {
        put("statusReason", reason.as_str().into());
    }
    if let Some(scope) = &device.scope {
        put("deviceScope", scope.as_str().into());
    }
    if !device.parent_scopes.is_empty() {
        put("parentScopes", json!(device.parent_scopes));
    }
}

fn status(device: &DeviceRecord) -> &'static str {
    if device.enabled { "enabled" } else { "disabled" }
}

fn connection(identity: &IdentityRecord) -> &'static str {
    if identity.connected { "Connected" } else { "Disconnected" }
}
