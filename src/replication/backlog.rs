//! A former active's changes from before the cut, settled with what the active says now. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Change, Object, Section, TwinChange, TwinDocument};

/// Two values that met, and which one was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// `tags`, `desired` or `reported`.
    pub section: String,
    /// The members from the section down to the value.
    pub path: Vec<String>,
    /// What the active hub had; `null` when nothing.
    pub active: Value,
    /// What the former active's event carried; `null` when a removal.
    pub former_active: Value,
    /// `active` or `former-active`.
    pub kept: String,
}

/// What to write to the active, and what was lost on either side.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Settlement {
    /// Merge patch of tags.
    pub(crate) tags: Object,
    /// Merge patch of desired.
    pub(crate) desired: Object,
    /// Merge patch of reported.
    pub(crate) reported: Object,
    /// Both values, wherever two met.
    pub(crate) losses: Vec<Loss>,
}

impl Settlement {
    /// Whether anything is to be written.
    pub(crate) fn writes_something(&self) -> bool {
        !(self.tags.is_empty() && self.desired.is_empty() && self.reported.is_empty())
    }
}

/// A member somewhere in a section: its new value, or `None` when it is removed.
type Leaf = (Vec<String>, Option<Value>);

/// What this program did with a backlog before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    /// What was written to the active.
    pub(crate) applied: TwinChange,
    /// What was about to be written when it was last heard of; perhaps it was.
    #[serde(default, skip_serializing_if = "TwinChange::is_empty")]
    pub(crate) begun: TwinChange,
}

/// Settles `change` field by field: a field that the active changed after the cut stays, unless it
/// was this program that wrote it from an earlier event of the same backlog. What was brought over
/// once is not brought over again: whatever the active says of it by now was said later.
pub(crate) fn settle(change: &TwinChange, done: &Done, active: &TwinDocument, cut: Timestamp) -> Settlement {
    let mut settled = Settlement::default();
    let losses = &mut settled.losses;
    if let Some(change) = &change.tags {
        let ours = Ours::new(done.applied.tags.as_ref(), done.begun.tags.as_ref(), &active.tags);
        settled.tags = settle_tags(change, &ours, &active.tags, losses);
    }
    if let Some(change) = &change.desired {
        let (applied, begun) = (done.applied.desired.as_ref(), done.begun.desired.as_ref());
        let ours = Ours::new(applied, begun, &active.desired.values);
        settled.desired = settle_section("desired", change, &ours, &active.desired, cut, losses);
    }
    if let Some(change) = &change.reported {
        let (applied, begun) = (done.applied.reported.as_ref(), done.begun.reported.as_ref());
        let ours = Ours::new(applied, begun, &active.reported.values);
        settled.reported = settle_section("reported", change, &ours, &active.reported, cut, losses);
    }
    settled
}

/// Tags carry no times: they are written, and what they replace goes to the loss report.
fn settle_tags(change: &Change, ours: &Ours, tags: &Object, losses: &mut Vec<Loss>) -> Object {
    let mut patch = Object::new();
    for (path, value) in leaves(change, tags) {
        let current = at(tags, &path);
        if current == value.as_ref() || ours.is_over(&path, value.as_ref()) {
            continue;
        }
        if current.is_some() && !ours.wrote(&path, current) {
            losses.push(loss("tags", &path, current, value.as_ref(), "former-active"));
        }
        insert(&mut patch, &path, value.unwrap_or_default());
    }
    patch
}

fn settle_section(
    name: &str,
    change: &Change,
    ours: &Ours,
    active: &Section,
    cut: Timestamp,
    losses: &mut Vec<Loss>,
) -> Object {
    let mut patch = Object::new();
    for (path, value) in leaves(change, &active.values) {
        let current = at(&active.values, &path);
        if current == value.as_ref() || ours.is_over(&path, value.as_ref()) {
            continue;
        }
        let later = current.is_some() && last_updated(&active.metadata, &path).is_some_and(|t| t > cut);
        if later && !ours.wrote(&path, current) {
            losses.push(loss(name, &path, current, value.as_ref(), "active"));
        } else {
            insert(&mut patch, &path, value.unwrap_or_default());
        }
    }
    patch
}

/// What this program wrote to one section of the active, or was about to.
struct Ours {
    applied: Vec<Leaf>,
    begun: Vec<Leaf>,
}

impl Ours {
    fn new(applied: Option<&Change>, begun: Option<&Change>, current: &Object) -> Self {
        let leaves =
            |change: Option<&Change>| change.map(|change| leaves(change, current)).unwrap_or_default();
        Self { applied: leaves(applied), begun: leaves(begun) }
    }

    /// Whether this program wrote this value to this member, as far as it knows.
    fn wrote(&self, path: &[String], value: Option<&Value>) -> bool {
        self.applied.iter().chain(&self.begun).any(|leaf| is_leaf(leaf, path, value))
    }

    /// Whether this value was brought over, and nothing else has been begun since.
    fn is_over(&self, path: &[String], value: Option<&Value>) -> bool {
        let begun = self.begun.iter().find(|(member, _)| member == path);
        self.applied.iter().any(|leaf| is_leaf(leaf, path, value))
            && begun.is_none_or(|leaf| is_leaf(leaf, path, value))
    }
}

fn is_leaf((member, is): &Leaf, path: &[String], value: Option<&Value>) -> bool {
    member == path && is.as_ref() == value
}

fn loss(section: &str, path: &[String], active: Option<&Value>, former: Option<&Value>, kept: &str) -> Loss {
    Loss {
        section: section.to_owned(),
        path: path.to_vec(),
        active: active.cloned().unwrap_or_default(),
        former_active: former.cloned().unwrap_or_default(),
        kept: kept.to_owned(),
    }
}

/// Every member that a change touches, as deep as the document it meets has objects.
fn leaves(change: &Change, current: &Object) -> Vec<Leaf> {
    let mut found = Vec::new();
    match change {
        Change::Merge(members) => {
            for (name, change) in members {
                member_leaves(change, name, current.get(name), &mut found);
            }
        }
        Change::Set(Value::Object(members)) => replaced(members, current, &mut found),
        Change::Remove => replaced(&Object::new(), current, &mut found),
        Change::Set(_) => {}
    }
    found
}

fn member_leaves(change: &Change, name: &str, current: Option<&Value>, found: &mut Vec<Leaf>) {
    let inner = match (change, current) {
        (Change::Remove, _) => return found.push((vec![name.to_owned()], None)),
        (Change::Set(Value::Object(_)) | Change::Merge(_), Some(Value::Object(current))) => {
            leaves(change, current)
        }
        (Change::Set(value), _) => return found.push((vec![name.to_owned()], Some(value.clone()))),
        (Change::Merge(_), _) => {
            let mut fresh = Object::new();
            change.apply_to(&mut fresh);
            return found.push((vec![name.to_owned()], Some(Value::Object(fresh))));
        }
    };
    found.extend(inner.into_iter().map(|(mut path, value)| {
        path.insert(0, name.to_owned());
        (path, value)
    }));
}

fn replaced(members: &Object, current: &Object, found: &mut Vec<Leaf>) {
    for name in current.keys().filter(|name| !members.contains_key(*name)) {
        found.push((vec![name.clone()], None));
    }
    for (name, value) in members {
        member_leaves(&Change::Set(value.clone()), name, current.get(name), found);
    }
}

fn at<'a>(document: &'a Object, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(document.get(first)?, |value, name| value.get(name))
}

/// `$metadata.….$lastUpdated` of the deepest node there is.
fn last_updated(metadata: &Value, path: &[String]) -> Option<Timestamp> {
    let mut node = metadata;
    for name in path {
        match node.get(name) {
            Some(inner) if inner.get("$lastUpdated").is_some() => node = inner,
            _ => break,
        }
    }
    node.get("$lastUpdated")?.as_str()?.parse().ok()
}

fn insert(patch: &mut Object, path: &[String], value: Value) {
    match path.split_first() {
        None => {}
        Some((name, [])) => {
            patch.insert(name.clone(), value);
        }
        Some((name, rest)) => {
            let inner = patch.entry(name.clone()).or_insert_with(|| Value::Object(Object::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
