//! What the target should be: the source, or the target with the carried changes. Pure.

use serde_json::Value;

use super::scope;
use crate::model::{IdentityDocument, IdentityId, Object, TwinChange, TwinDocument};

/// What is wanted of an identity.
#[derive(Debug)]
pub(crate) enum Want<'a> {
    /// What the source says.
    Source(&'a TwinDocument),
    /// The source says that it is absent.
    Absent,
    /// The source cannot be read: the target, with what the events carried.
    Carried(Box<TwinDocument>),
    /// The source cannot be read, and the target has nothing that changes could be applied to.
    Unknown,
}

impl Want<'_> {
    /// The target with the carried changes applied in memory, one after the other.
    pub(crate) fn carried(target: Option<&TwinDocument>, change: &TwinChange) -> Self {
        target.map_or(Self::Unknown, |target| {
            let mut twin = target.clone();
            twin.apply(change);
            Self::Carried(Box::new(twin))
        })
    }
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
    significant(&Value::Object(source.portable())) == significant(&Value::Object(target.portable()))
        && scope::is_mapped(target.members(), scopes)
}

/// Whether two twins show that their registry entries differ: a twin repeats all of the entry but
/// its keys and its unknown members.
pub(crate) fn entries_visibly_differ(source: &TwinDocument, target: &TwinDocument) -> bool {
    let visible = |twin: &TwinDocument| {
        let members = ["status", "statusReason", "authenticationType", "capabilities"];
        let facts = members.map(|name| twin.other.get(name).and_then(significant));
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
