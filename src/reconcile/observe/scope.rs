//! Edge scopes: each hub makes its own, so they are mapped, never copied.
//!
//! A scope is `ms-azure-iot-edge://{device id}-{generation}` (observed). An edge device has an
//! immutable one of its own; a leaf carries its parent's in `deviceScope`; an edge child names its
//! parents in `parentScopes`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::{DeviceId, Object};

const PREFIX: &str = "ms-azure-iot-edge://";

/// The device that a scope belongs to.
pub(crate) fn device_of(scope: &str) -> Option<DeviceId> {
    let (id, _generation) = scope.strip_prefix(PREFIX)?.rsplit_once('-')?;
    id.parse().ok()
}

/// What a device's document (identity or twin) says about its parents.
pub(crate) fn parents(members: &Object) -> Vec<DeviceId> {
    let mut parents: Vec<DeviceId> = scopes_of_parents(members).iter().filter_map(|s| device_of(s)).collect();
    parents.dedup();
    parents
}

fn scopes_of_parents(members: &Object) -> Vec<&str> {
    if is_edge(members) {
        let scopes = members.get("parentScopes").and_then(Value::as_array);
        return scopes.into_iter().flatten().filter_map(Value::as_str).collect();
    }
    let scope = members.get("deviceScope").and_then(Value::as_str);
    scope.into_iter().filter(|scope| !scope.is_empty()).collect()
}

/// Whether a document is of an edge device.
pub(crate) fn is_edge(members: &Object) -> bool {
    let capabilities = members.get("capabilities");
    capabilities.and_then(|c| c.get("iotEdge")).and_then(Value::as_bool).unwrap_or(false)
}

/// The scopes that parents have on the target, by device id.
pub(crate) type Scopes = BTreeMap<DeviceId, String>;

/// The scope members to send to the target, for a device that the source describes so; or the
/// parent that is not there.
pub(crate) fn mapped(source: &Object, scopes: &Scopes) -> Result<Object, DeviceId> {
    let mut there = Vec::new();
    for parent in parents(source) {
        match scopes.get(&parent) {
            Some(scope) => there.push(Value::from(scope.as_str())),
            None => return Err(parent),
        }
    }
    let mut members = Object::new();
    if is_edge(source) {
        if !there.is_empty() {
            members.insert("parentScopes".to_owned(), Value::Array(there));
        }
    } else if let Some(scope) = there.pop() {
        members.insert("deviceScope".to_owned(), scope);
    }
    Ok(members)
}

/// Whether the target's scope members are what was mapped for it.
pub(crate) fn is_mapped(target: &Object, mapped: &Object) -> bool {
    let wanted: Vec<&str> = match (mapped.get("deviceScope"), mapped.get("parentScopes")) {
        (Some(Value::String(scope)), _) => vec![scope],
        (_, Some(Value::Array(scopes))) => scopes.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    scopes_of_parents(target) == wanted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    fn scopes() -> Scopes {
        [("gate-1".parse().unwrap(), "ms-azure-iot-edge://gate-1-222".to_owned())].into()
    }

    #[test]
    fn the_scope_names_its_device_even_when_the_id_has_dashes() {
        assert_eq!(device_of("ms-azure-iot-edge://gate-1-638912").unwrap().as_str(), "gate-1");
        assert_eq!(device_of("gate-1-638912"), None);
        assert_eq!(device_of("ms-azure-iot-edge://gate"), None);
    }

    #[test]
    fn scopes_are_mapped_by_what_the_device_is() {
        let own = "ms-azure-iot-edge://inner-1";
        let parent = "ms-azure-iot-edge://gate-1-111";
        let there = "ms-azure-iot-edge://gate-1-222";
        let table = [
            (json!({}), Ok(json!({}))),
            (json!({"deviceScope": "", "parentScopes": []}), Ok(json!({}))),
            (json!({"deviceScope": parent, "parentScopes": [parent]}), Ok(json!({"deviceScope": there}))),
            (json!({"capabilities": {"iotEdge": true}, "deviceScope": own}), Ok(json!({}))),
            (
                json!({"capabilities": {"iotEdge": true}, "deviceScope": own, "parentScopes": [parent]}),
                Ok(json!({"parentScopes": [there]})),
            ),
            (json!({"deviceScope": "ms-azure-iot-edge://gone-1"}), Err("gone".parse().unwrap())),
        ];
        for (source, expected) in table {
            assert_eq!(mapped(&object(source.clone()), &scopes()), expected.map(object), "{source}");
        }
    }

    #[test]
    fn what_was_mapped_is_recognised_on_the_target() {
        let source = object(json!({"deviceScope": "ms-azure-iot-edge://gate-1-111"}));
        let wanted = mapped(&source, &scopes()).unwrap();
        assert!(is_mapped(&object(json!({"deviceScope": "ms-azure-iot-edge://gate-1-222"})), &wanted));
        assert!(!is_mapped(&source, &wanted));
        assert!(!is_mapped(&Object::new(), &wanted));
        assert!(is_mapped(
            &object(json!({"capabilities": {"iotEdge": true}, "deviceScope": "x"})),
            &Object::new()
        ));
    }
}
