//! The plan: the steps that make the target what is wanted. Pure.

mod want;

use serde_json::Value;

pub(crate) use want::{
    Want, differing_members, entries_visibly_differ, essentials, same_identity, with_status, without_twin,
};

use super::outcome::{Cause, Reason};
use super::parts::{Part, Scope, cause, unreadable, without};
use crate::model::{DeviceId, ETag, IdentityDocument, IdentityId, NO_NAME, Object, Path, TwinDocument, diff};

/// One conditional write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Create a device with its twin, in bulk, create-only.
    Create {
        /// The bulk item.
        item: Object,
    },
    /// Create a module, or a device with members that no bulk call is known to take, create-only; its
    /// twin follows once it is there.
    CreateAlone {
        /// The identity.
        body: Object,
    },
    /// Replace the registry entry.
    UpdateIdentity {
        /// The whole identity: a partial one would rotate keys.
        body: Object,
        /// The registry ETag it was planned on.
        etag: ETag,
        /// What it cannot be without differs: its keys, whether it is enabled.
        is_urgent: bool,
    },
    /// Change tags and desired, both in one write.
    PatchTwin {
        /// The merge patch.
        patch: Object,
        /// The twin ETag it was planned on.
        etag: ETag,
    },
    /// Change reported, as the device.
    PatchReported {
        /// The merge patch.
        patch: Object,
        /// The reported `$version` it was planned on.
        version: u64,
    },
    /// Delete, with the registry ETag it was planned on.
    Delete {
        /// The twin's `deviceEtag`.
        etag: ETag,
    },
}

impl Step {
    /// For the log: no values, no keys.
    pub(crate) fn in_a_word(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::CreateAlone { .. } => "create alone",
            Self::UpdateIdentity { .. } => "update identity",
            Self::PatchTwin { .. } => "patch twin",
            Self::PatchReported { .. } => "patch reported",
            Self::Delete { .. } => "delete",
        }
    }
}

/// Steps in the order in which they must happen, and what must be left for later.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Writes.
    pub(crate) steps: Vec<Step>,
    /// What cannot be done now.
    pub(crate) left: Option<Cause>,
}

/// What is known of the two registry entries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Registry<'a> {
    /// Not compared: nothing suggests that they differ.
    Assumed,
    /// The source's, and the scope members mapped for the target.
    Source(&'a IdentityDocument, &'a Object),
    /// Both, and the scope members mapped for the target.
    Both(&'a IdentityDocument, &'a IdentityDocument, &'a Object),
    /// A parent that the source names is not on the target.
    ParentMissing(&'a DeviceId),
}

/// The difference between the target as observed and what is wanted.
pub(crate) fn plan(
    id: &IdentityId,
    target: Option<&TwinDocument>,
    want: &Want<'_>,
    registry: Registry<'_>,
) -> Plan {
    match (target, want) {
        (None, Want::Absent) => Plan::default(),
        (Some(target), Want::Absent) => {
            Plan { steps: vec![Step::Delete { etag: target.device_etag.clone() }], left: None }
        }
        (None, Want::Source(twin)) => with_unreadable(create(id, twin, registry), twin),
        (Some(target), Want::Source(twin)) => {
            with_unreadable(change(id, target, (twin, &twin.unreadable), registry), twin)
        }
        (Some(target), Want::Twin(twin)) => change(id, target, (twin, &target.unreadable), registry),
        (None, Want::Twin(_)) => left(Reason::SourceUnreachable, "it is not on the target"),
    }
}

/// What the source's twin holds and nobody can read stays to be said.
fn with_unreadable(mut plan: Plan, source: &TwinDocument) -> Plan {
    plan.left = plan.left.or_else(|| cause(&unreadable(&source.unreadable)));
    plan
}

fn create(id: &IdentityId, twin: &TwinDocument, registry: Registry<'_>) -> Plan {
    if id.module.as_ref().is_some_and(|module| module.is_system()) {
        return left(Reason::MadeByTheHub, "the hub itself makes this module");
    }
    let (source, scopes) = match registry {
        Registry::Source(source, scopes) | Registry::Both(source, _, scopes) => (source, scopes),
        Registry::ParentMissing(parent) => return left(Reason::ParentMissing, parent.as_str()),
        Registry::Assumed => return left(Reason::SourceUnreachable, "its registry entry was not read"),
    };
    if !has_keys(source) {
        return left(Reason::NoAuthentication, "the source shows no authentication");
    }
    let step = if id.module.is_some() || want::has_unknown_members(source) {
        Step::CreateAlone { body: want::identity_body(id, source, scopes, None) }
    } else {
        Step::Create { item: want::bulk_item(id, source, scopes, twin) }
    };
    Plan { steps: vec![step], left: None }
}

/// `left_alone` are members that are neither written nor taken away.
fn change(
    id: &IdentityId,
    target: &TwinDocument,
    (want, left_alone): (&TwinDocument, &[Path]),
    registry: Registry<'_>,
) -> Plan {
    let mut plan = Plan::default();
    let enabled = plan_identity(&mut plan, id, target, registry);
    let patch = without(Scope::Twin, twin_patch(target, want), left_alone);
    let patch = removing(patch, target, want, left_alone);
    if !patch.is_empty() {
        plan.steps.push(Step::PatchTwin { patch, etag: target.etag.clone() });
    }
    let reported = diff(&target.reported.values, &want.reported.values);
    plan_reported(&mut plan, target, without(Scope::Reported, reported, left_alone), enabled);
    plan
}

/// What nobody can read on the target, and is not wanted, goes.
fn removing(patch: Object, target: &TwinDocument, want: &TwinDocument, left_alone: &[Path]) -> Object {
    let is_gone = |path: &&Path| {
        let wanted = match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["tags", rest @ ..] => value(&want.tags, rest),
            ["properties", "desired", rest @ ..] => value(&want.desired.values, rest),
            _ => return false,
        };
        wanted.is_none() && !left_alone.contains(path) && !path.iter().any(|name| name == NO_NAME)
    };
    let gone: Vec<&Path> = target.unreadable.iter().filter(is_gone).collect();
    if gone.is_empty() {
        return patch;
    }
    let mut parts = Scope::Twin.parts(&patch);
    parts.extend(gone.into_iter().map(|path| Part { path: path.clone(), value: Value::Null }));
    Scope::Twin.patch(&parts)
}

fn value<'v>(members: &'v Object, path: &[&str]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(members.get(*first)?, |value, name| value.get(*name))
}

/// Plans the registry entry, always before the twin: a device that is being disabled must stop
/// first, and one that is being enabled must be so before its reported properties can be written.
/// Gives whether the device will be enabled then.
fn plan_identity(plan: &mut Plan, id: &IdentityId, target: &TwinDocument, registry: Registry<'_>) -> bool {
    match registry {
        Registry::Both(source, there, scopes) if !want::same_identity(source, there, scopes) => {
            match there.etag() {
                Some(etag) if has_keys(source) => {
                    let body = want::identity_body(id, source, scopes, Some(there));
                    let is_urgent = !want::same_essentials(source, there, scopes);
                    plan.steps.push(Step::UpdateIdentity { body, etag, is_urgent });
                    source.is_enabled()
                }
                _ => {
                    plan.left = Some(Cause::new(Reason::NoAuthentication, "no authentication is shown"));
                    target.is_enabled()
                }
            }
        }
        Registry::ParentMissing(parent) => {
            plan.left = Some(Cause::new(Reason::ParentMissing, parent.as_str()));
            target.is_enabled()
        }
        _ => target.is_enabled(),
    }
}

/// Tags and desired in one patch: one version, one event, one precondition.
pub(crate) fn twin_patch(target: &TwinDocument, want: &TwinDocument) -> Object {
    let mut patch = Object::new();
    let tags = diff(&target.tags, &want.tags);
    if !tags.is_empty() {
        patch.insert("tags".to_owned(), Value::Object(tags));
    }
    let desired = diff(&target.desired.values, &want.desired.values);
    if !desired.is_empty() {
        let properties = [("desired".to_owned(), Value::Object(desired))].into_iter().collect();
        patch.insert("properties".to_owned(), Value::Object(properties));
    }
    patch
}

/// Reported properties are written as the device: never beside the real one, and only where a
/// device may connect.
fn plan_reported(plan: &mut Plan, target: &TwinDocument, patch: Object, enabled: bool) {
    if patch.is_empty() {
        return;
    }
    let cause = if target.is_connected() {
        Cause::new(Reason::Connected, "the device is connected to the target hub")
    } else if !enabled {
        Cause::new(Reason::Disabled, "a disabled device cannot connect, so reported cannot be written")
    } else {
        plan.steps.push(Step::PatchReported { patch, version: target.reported.version });
        return;
    };
    plan.left.get_or_insert(cause);
}

fn has_keys(source: &IdentityDocument) -> bool {
    source.members().get("authentication").is_some_and(Value::is_object)
}

fn left(reason: Reason, detail: &str) -> Plan {
    Plan { steps: Vec::new(), left: Some(Cause::new(reason, detail)) }
}

#[cfg(test)]
mod tests;
