//! What one hub said was written to a twin: the newest write of each member, and when.
//!
//! Merge patches do not compose: `{a: null}` then `{a: {c: 2}}` is not `{a: {c: 2}}`, because the
//! first one also removes what `a` held. Here a member that was set or removed as a whole is kept
//! apart from an object that was only reached on the way, so any number of changes fold into one set
//! that is no larger than the twin it is about. It is flat: its depth does not grow with the twin's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Object;

/// The names from the root of a section down to a member; empty for the section itself.
pub type Path = Vec<String>;

/// What was written to a member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Written {
    /// It is exactly this; of an object, that it is empty but for what is written below it.
    Set(Value),
    /// It is gone.
    Removed,
    /// It is an object; what it held before stays.
    Object,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    path: Path,
    written: Written,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

/// The newest writes of one section (tags, desired or reported).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct SectionWrites(BTreeMap<Path, (Written, Option<Timestamp>)>);

impl SectionWrites {
    /// What a merge patch writes, as the hub sends it; members whose name begins with `$` are the hub's own.
    pub fn from_patch(patch: &Object, at: Option<Timestamp>) -> Self {
        let mut writes = Self::default();
        writes.patch(&mut Path::new(), patch, at);
        writes
    }

    /// What a merge patch writes to `document`: an object that is none there yet is written as a whole.
    pub fn from_patch_of(document: &Object, patch: &Object) -> Self {
        let mut writes = Self::from_patch(patch, None);
        for (path, (written, _)) in &mut writes.0 {
            if *written == Written::Object && !member(document, path).is_some_and(Value::is_object) {
                *written = Written::Set(Value::Object(Object::new()));
            }
        }
        writes
    }

    /// The section as a whole replaced by `document`.
    pub fn replacement(document: &Object, at: Option<Timestamp>) -> Self {
        let mut writes = Self::default();
        writes.set(&mut Path::new(), document, at);
        writes
    }

    fn patch(&mut self, path: &mut Path, patch: &Object, at: Option<Timestamp>) {
        for (name, value) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
            path.push(name.clone());
            match value {
                Value::Null => self.insert(path, Written::Removed, at),
                Value::Object(members) => {
                    self.insert(path, Written::Object, at);
                    self.patch(path, members, at);
                }
                other => self.insert(path, Written::Set(other.clone()), at),
            }
            path.pop();
        }
    }

    fn set(&mut self, path: &mut Path, document: &Object, at: Option<Timestamp>) {
        self.insert(path, Written::Set(Value::Object(Object::new())), at);
        for (name, value) in document.iter().filter(|(name, _)| !name.starts_with('$')) {
            path.push(name.clone());
            match value {
                Value::Null => {}
                Value::Object(members) => self.set(path, members, at),
                other => self.insert(path, Written::Set(other.clone()), at),
            }
            path.pop();
        }
    }

    fn insert(&mut self, path: &Path, written: Written, at: Option<Timestamp>) {
        self.0.insert(path.clone(), (written, at));
    }

    /// Adds what was written later.
    pub fn fold(&mut self, later: Self) {
        for (path, (written, at)) in later.0 {
            let empty = Written::Set(Value::Object(Object::new()));
            let written = match (written, self.0.get(&path)) {
                (Written::Object, Some((Written::Object, _)) | None) => (Written::Object, at),
                (Written::Object, Some((Written::Set(Value::Object(_)), _))) => continue,
                // What was there before is gone already, and since when: the object begins empty.
                (Written::Object, Some((Written::Removed, removed))) => (empty, *removed),
                (Written::Object, Some((Written::Set(_), _))) => (empty, at),
                (whole, _) => {
                    self.0.retain(|other, _| !is_below(other, &path));
                    (whole, at)
                }
            };
            self.0.insert(path, written);
        }
    }

    /// Changes `document` so.
    pub fn apply_to(&self, document: &mut Object) {
        // Parents come before what is below them.
        for (path, (written, _)) in &self.0 {
            apply(document, path, written);
        }
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When anything was last written, as far as times are known.
    pub fn newest(&self) -> Option<Timestamp> {
        self.0.values().filter_map(|(_, at)| *at).max()
    }

    /// Whether anything was removed or replaced as a whole: what a document alone does not show.
    pub fn removes(&self) -> bool {
        self.0.values().any(|(written, _)| takes_away(written))
    }

    /// Only what was removed or replaced as a whole.
    #[must_use]
    pub fn removals(&self) -> Self {
        self.only(|path| self.0.get(path).is_some_and(|(written, _)| takes_away(written)))
    }

    /// Members of the section itself that were removed.
    pub fn removed_members(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter_map(|(path, (written, _))| match (path.as_slice(), written) {
            ([name], Written::Removed) => Some(name),
            _ => None,
        })
    }

    /// What was set or removed, by its path; not the objects that were only reached on the way.
    pub fn written(&self) -> impl Iterator<Item = (&Path, &Written)> {
        let all = self.0.iter().map(|(path, (written, _))| (path, written));
        all.filter(|(_, written)| **written != Written::Object)
    }

    /// Only the writes of these members.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&Path) -> bool) -> Self {
        Self(self.0.iter().filter(|(path, _)| wanted(path)).map(|(p, w)| (p.clone(), w.clone())).collect())
    }

    /// Only what was written at `at` or later, or at a time that is not known.
    #[must_use]
    fn not_before(&self, at: Timestamp) -> Self {
        self.only(|path| {
            self.0.get(path).is_some_and(|(_, written)| written.is_none_or(|written| written >= at))
        })
    }

    /// The section began anew at `at`.
    fn begin_anew(&mut self, at: Timestamp) {
        let later = self.not_before(at);
        *self = Self::replacement(&Object::new(), Some(at));
        self.fold(later);
    }

    /// When the member at `path` was last written, by itself, with what it is part of, or in any of its
    /// parts; `None` when it was not, and an inner `None` when the time is not known.
    pub fn written_at(&self, path: &[String]) -> Option<Option<Timestamp>> {
        let whole = |(other, (written, _)): &(&Path, &(Written, Option<Timestamp>))| {
            let above = path.starts_with(other) && (other.len() == path.len() || *written != Written::Object);
            above || is_below(other, path)
        };
        self.0.iter().filter(whole).map(|(_, (_, at))| *at).reduce(Ord::max)
    }

    /// Whether it says that the member at `path` has exactly this value, or is gone.
    pub fn says(&self, path: &[String], value: Option<&Value>) -> bool {
        self.decides(path) && member(&self.document(), path) == value
    }

    /// Whether `other` says all that this says.
    pub fn is_said_by(&self, other: &Self) -> bool {
        let document = other.document();
        let says = |path: &Path, value| other.decides(path) && member(&document, path) == value;
        self.0.iter().all(|(path, (written, _))| match written {
            Written::Set(Value::Object(_)) | Written::Object => true,
            Written::Set(value) => says(path, Some(value)),
            Written::Removed => says(path, None),
        })
    }

    /// Whether it says what the whole member at `path` is.
    pub fn decides(&self, path: &[String]) -> bool {
        let whole =
            |above: &[String]| self.0.get(above).is_some_and(|(written, _)| *written != Written::Object);
        (0..=path.len()).filter_map(|length| path.get(..length)).any(whole)
    }

    fn document(&self) -> Object {
        let mut document = Object::new();
        self.apply_to(&mut document);
        document
    }
}

impl From<Vec<Entry>> for SectionWrites {
    fn from(entries: Vec<Entry>) -> Self {
        Self(entries.into_iter().map(|entry| (entry.path, (entry.written, entry.at))).collect())
    }
}

impl From<SectionWrites> for Vec<Entry> {
    fn from(writes: SectionWrites) -> Self {
        writes.0.into_iter().map(|(path, (written, at))| Entry { path, written, at }).collect()
    }
}

fn takes_away(written: &Written) -> bool {
    matches!(written, Written::Removed | Written::Set(Value::Object(_)))
}

/// The member at `path`.
pub fn member<'a>(document: &'a Object, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(document.get(first)?, |value, name| value.get(name))
}

fn is_below(path: &[String], above: &[String]) -> bool {
    path.len() > above.len() && path.starts_with(above)
}

fn apply(document: &mut Object, path: &[String], written: &Written) {
    match (path, written) {
        ([], Written::Set(_) | Written::Removed) => document.clear(),
        ([], Written::Object) => {}
        ([name], Written::Removed) => {
            document.remove(name);
        }
        ([name], Written::Set(value)) => {
            document.insert(name.clone(), value.clone());
        }
        ([name], Written::Object) => within(document, name, |_| {}),
        ([name, rest @ ..], Written::Removed) => {
            if let Some(Value::Object(members)) = document.get_mut(name) {
                apply(members, rest, written);
            }
        }
        ([name, rest @ ..], _) => within(document, name, |members| apply(members, rest, written)),
    }
}

/// Changes the object at `name`, which is made where there is none.
fn within(document: &mut Object, name: &str, change: impl FnOnce(&mut Object)) {
    let entry = document.entry(name.to_owned()).or_insert(Value::Null);
    if !entry.is_object() {
        *entry = Value::Object(Object::new());
    }
    if let Value::Object(members) = entry {
        change(members);
    }
}

/// What was written to a twin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TwinWrites {
    /// Tags.
    #[serde(skip_serializing_if = "SectionWrites::is_empty")]
    pub tags: SectionWrites,
    /// Desired properties.
    #[serde(skip_serializing_if = "SectionWrites::is_empty")]
    pub desired: SectionWrites,
    /// Reported properties.
    #[serde(skip_serializing_if = "SectionWrites::is_empty")]
    pub reported: SectionWrites,
}

impl TwinWrites {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.desired.is_empty() && self.reported.is_empty()
    }

    /// `tags`, `desired` or `reported`.
    pub fn section(&self, name: &str) -> &SectionWrites {
        match name {
            "tags" => &self.tags,
            "desired" => &self.desired,
            _ => &self.reported,
        }
    }

    /// Whether `other` says all that this says.
    pub fn is_said_by(&self, other: &Self) -> bool {
        self.tags.is_said_by(&other.tags)
            && self.desired.is_said_by(&other.desired)
            && self.reported.is_said_by(&other.reported)
    }

    /// Adds what was written later.
    pub fn fold(&mut self, later: Self) {
        self.tags.fold(later.tags);
        self.desired.fold(later.desired);
        self.reported.fold(later.reported);
    }

    /// The identity was made again at `at`: nothing that was written before holds any more.
    pub fn begin_anew(&mut self, at: Timestamp) {
        self.tags.begin_anew(at);
        self.desired.begin_anew(at);
        self.reported.begin_anew(at);
    }

    /// The identity was deleted at `at`.
    pub fn forget_before(&mut self, at: Timestamp) {
        for section in [&mut self.tags, &mut self.desired, &mut self.reported] {
            *section = section.not_before(at);
        }
    }

    /// What a hub's twin does not show by itself: all of the tags, which carry no times, and what was
    /// taken away.
    #[must_use]
    pub fn unseen_in_a_twin(&self) -> Self {
        Self { tags: self.tags.clone(), desired: self.desired.removals(), reported: self.reported.removals() }
    }
}

#[cfg(test)]
#[path = "writes_tests.rs"]
mod tests;
