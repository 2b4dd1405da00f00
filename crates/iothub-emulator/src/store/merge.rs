//! JSON merge patch, and its inverse.

use serde_json::{Map, Value};

/// Applies a merge patch: `null` deletes, objects merge, everything else replaces; `{}` stays.
pub(super) fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.remove(key)),
            Value::Object(members) => {
                let slot = target.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(inner) = slot {
                    merge(inner, members);
                }
            }
            _ => drop(target.insert(key.clone(), value.clone())),
        }
    }
}

/// Everything in `new`, plus `null` for every member of `old` that `new` no longer has: what connected devices are
/// told about a replaced twin (described by the service team).
#[must_use]
pub(super) fn replacement_patch(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = new.clone();
    for (key, before) in old {
        match (before, patch.get_mut(key)) {
            (_, None) => drop(patch.insert(key.clone(), Value::Null)),
            (Value::Object(before), Some(Value::Object(after))) => {
                let inner = replacement_patch(before, after);
                *after = inner;
            }
            _ => {}
        }
    }
    patch
}

/// A copy without `null` members, at any depth of objects.
#[must_use]
pub(super) fn without_nulls(members: &Map<String, Value>) -> Map<String, Value> {
    let kept = members.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| match value {
        Value::Object(inner) => (key.clone(), Value::Object(without_nulls(inner))),
        _ => (key.clone(), value.clone()),
    })
    .collect()
}
