//! What the target should be: the source, or the target with the carried changes. Pure.

use serde_json::Value;

use super::super::observe::scope;
use crate::model::{IdentityDocument, IdentityId, Object, TwinDocument};

/// What is wanted of an identity.
#[derive(Debug)]
pub(crate) enum Want<'a> {
    /// What the source says.
    Source(&'a TwinDocument),
    /// The source says that it is absent.
    Absent,
    /// A twin made in memory, on what the target has.
    Twin(Box<TwinDocument>),
}

/// The item that creates a device with its whole twin in one bulk call.
pub(crate) fn bulk_item(
    id: &IdentityId,
    source: &IdentityDocument,
    scopes: &Object,
    twin: &TwinDocument,
) -> Object {
    let mut item = source.portable();
    item.extend(scopes.clone());
    item.insert("id".to_owned(), id.device.as_str().into());
    item.insert("importMode".to_owned(), "create".into());
    item.insert("tags".to_owned(), Value::Object(twin.tags.clone()));
    let mut properties = Object::new();
    properties.insert("desired".to_owned(), Value::Object(twin.desired.values.clone()));
    properties.insert("reported".to_owned(), Value::Object(twin.reported.values.clone()));
    item.insert("properties".to_owned(), Value::Object(properties));
    item
}

/// The same device, its twin empty.
pub(crate) fn without_twin(item: &Object) -> Object {
    let of_identity = item.iter().filter(|(name, _)| !matches!(name.as_str(), "tags" | "properties"));
    of_identity.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Members that an identity cannot be without: who it is, what proves it, and whether and as what it may connect.
const ESSENTIAL: [&str; 9] = [
    "id",
    "importMode",
    "deviceId",
    "moduleId",
    "authentication",
    "status",
    "capabilities",
    "deviceScope",
    "parentScopes",
];

/// An identity without what it can be without.
pub(crate) fn essentials(members: &Object) -> Object {
    let essential = members.iter().filter(|(name, _)| ESSENTIAL.contains(&name.as_str()));
    essential.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether two registry entries say the same of what they cannot be without.
pub(crate) fn same_essentials(source: &IdentityDocument, target: &IdentityDocument, scopes: &Object) -> bool {
    let of = |entry: &IdentityDocument| IdentityDocument::new(essentials(entry.members()));
    same_identity(&of(source), &of(target), scopes)
}

/// Members that travel and that bulk items are documented to have.
const IN_BULK: [&str; 4] = ["authentication", "status", "statusReason", "capabilities"];

/// Whether the entry has members from the future: kept by a PUT, but nobody has shown that a bulk
/// call keeps them.
pub(crate) fn has_unknown_members(source: &IdentityDocument) -> bool {
    source.portable().keys().any(|name| !IN_BULK.contains(&name.as_str()))
}

/// The whole identity as the target should have it. An edge device's own scope is immutable there
/// and must be echoed (observed); it is never sent at creation.
pub(crate) fn identity_body(
    id: &IdentityId,
    source: &IdentityDocument,
    scopes: &Object,
    target: Option<&IdentityDocument>,
) -> Object {
    let mut body = source.portable();
    body.extend(scopes.clone());
    body.insert("deviceId".to_owned(), id.device.as_str().into());
    if let Some(module) = &id.module {
        body.insert("moduleId".to_owned(), module.as_str().into());
    }
    if let Some(own) = target.filter(|t| t.is_edge()).and_then(|t| t.device_scope()) {
        body.insert("deviceScope".to_owned(), own.into());
    }
    body
}

/// Whether two registry entries say the same, hub-made members aside.
pub(crate) fn same_identity(source: &IdentityDocument, target: &IdentityDocument, scopes: &Object) -> bool {
    let (mut one, mut other) = (spelled_alike(source.portable()), spelled_alike(target.portable()));
    ignore_unless_both(&mut one, &mut other, "authentication", "type");
    significant(&Value::Object(one)) == significant(&Value::Object(other))
        && scope::is_mapped(target.members(), scopes)
}

/// The two members that tell whether it may connect, and why: their time is known.
const STATUS: [&str; 2] = ["status", "statusReason"];

/// The entry as it is, with the status of another.
pub(crate) fn with_status(id: &IdentityId, entry: &IdentityDocument, other: &IdentityDocument) -> Object {
    let of_status = |(name, _): &(String, Value)| STATUS.contains(&name.as_str());
    let scopes = ["deviceScope", "parentScopes"].into_iter();
    let scopes = scopes.filter_map(|name| Some((name.to_owned(), entry.members().get(name)?.clone())));
    let mut body = identity_body(id, entry, &scopes.collect(), Some(entry));
    STATUS.into_iter().for_each(|name| drop(body.remove(name)));
    body.extend(other.portable().into_iter().filter(of_status));
    body
}

/// Members that travel, but the status, of which two entries say something else.
pub(crate) fn differing_members(one: &IdentityDocument, other: &IdentityDocument) -> Vec<String> {
    let (mut one, mut other) = (spelled_alike(one.portable()), spelled_alike(other.portable()));
    ignore_unless_both(&mut one, &mut other, "authentication", "type");
    let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
    names.sort();
    names.dedup();
    let says = |entry: &Object, name: &str| entry.get(name).and_then(significant);
    let differs = |name: &&&String| {
        !STATUS.contains(&name.as_str()) && says(&one, name.as_str()) != says(&other, name.as_str())
    };
    names.iter().filter(differs).map(|name| (*name).clone()).collect()
}

/// What one document may leave out or spell otherwise without meaning anything else: a status is
/// `enabled` unless it says otherwise, a capability that is not there is none.
fn spelled_alike(mut members: Object) -> Object {
    let lower = |value: &mut Value| {
        if let Value::String(text) = value {
            text.make_ascii_lowercase();
        }
    };
    lower(members.entry("status").or_insert_with(|| "enabled".into()));
    members.get_mut("authenticationType").map(lower);
    members.get_mut("authentication").and_then(|a| a.get_mut("type")).map(lower);
    if let Some(Value::Object(capabilities)) = members.get_mut("capabilities") {
        capabilities.retain(|_, value| *value != Value::Bool(false));
    }
    members
}

/// A hub that does not say it has not said something else.
fn ignore_unless_both(one: &mut Object, other: &mut Object, object: &str, name: &str) {
    let says = |members: &Object| {
        members.get(object).and_then(|inner| inner.get(name)).and_then(significant).is_some()
    };
    if !says(one) || !says(other) {
        for members in [one, other] {
            if let Some(Value::Object(inner)) = members.get_mut(object) {
                inner.remove(name);
            }
        }
    }
}

/// Whether two twins show that their registry entries differ: a twin repeats all of the entry but
/// its keys and its unknown members.
pub(crate) fn entries_visibly_differ(source: &TwinDocument, target: &TwinDocument) -> bool {
    let visible = |twin: &TwinDocument| {
        let members = ["status", "statusReason", "authenticationType", "capabilities"];
        let named =
            members.iter().filter_map(|name| Some(((*name).to_owned(), twin.other.get(*name)?.clone())));
        let spelled = spelled_alike(named.collect());
        let facts = members.map(|name| spelled.get(name).and_then(significant));
        let thumbprints = twin.other.get("x509Thumbprint").and_then(thumbprints);
        (facts, thumbprints, scope::parents(&twin.other))
    };
    visible(source) != visible(target)
}

/// Thumbprints without regard to the case of their members' names, which varies (observed).
fn thumbprints(value: &Value) -> Option<Value> {
    let members = value.as_object()?;
    let lower = members.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    significant(&Value::Object(lower))
}

/// A value without nulls, empty strings and empty objects, which hubs write or leave out at will.
fn significant(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Object(members) => {
            let members: Object =
                members.iter().filter_map(|(name, v)| Some((name.clone(), significant(v)?))).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_spelled_otherwise_or_left_out_is_no_difference() {
        let keys = json!({"primaryKey": "a", "secondaryKey": "b"});
        let one = json!({"status": "enabled", "authentication": {"symmetricKey": keys, "type": "sas"},
            "capabilities": {"iotEdge": false}});
        let other = json!({"status": "Enabled", "statusReason": "", "authentication": {"type": "Sas",
            "symmetricKey": keys, "x509Thumbprint": {"primaryThumbprint": null}}});
        let silent = json!({"authentication": {"symmetricKey": keys}});
        let edge = json!({"capabilities": {"iotEdge": true}, "authentication": {"symmetricKey": keys}});
        let document = |value: &Value| IdentityDocument::new(value.as_object().cloned().unwrap());
        let same = |a, b| same_identity(&document(a), &document(b), &Object::new());
        assert!(same(&one, &other) && same(&one, &silent) && same(&silent, &other));
        assert!(!same(&one, &edge));
        let x509 = json!({"authentication": {"type": "certificateAuthority", "symmetricKey": keys}});
        assert!(!same(&one, &x509));
    }
}
