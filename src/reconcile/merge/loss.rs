//! What one hub's clients said and the other hub's said otherwise.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::parts::pointer;
use super::own::written_at;
use super::section;
use crate::model::{
    Object, Path, SECTIONS, SectionWrites, TwinDocument, TwinWrites, Written, apply, in_section, member,
};

/// Two values that met, and which one was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// `tags`, `desired`, `reported` or `registry`.
    pub section: String,
    /// The members from the section down to the value.
    pub path: Path,
    /// What the active hub had; `null` when nothing.
    pub active: Value,
    /// What the former active hub said; `null` when it removed it.
    pub former_active: Value,
    /// `active` or `former-active`.
    pub kept: String,
}

impl Loss {
    /// What the hub that is not active said, where that is given up: top-level members.
    pub(crate) fn of_writes(writes: &TwinWrites) -> Vec<Self> {
        let sections = [("tags", &writes.tags), ("desired", &writes.desired), ("reported", &writes.reported)];
        sections.into_iter().flat_map(|(name, writes)| Self::of_section(name, writes)).collect()
    }

    /// The same of the members that these JSON pointers name, and no others.
    pub(crate) fn of_refused(writes: &TwinWrites, refused: &[String]) -> Vec<Self> {
        let mut losses = Vec::new();
        for (name, root) in SECTIONS {
            for (path, written) in writes.section(name).written() {
                let whole: Path =
                    root.iter().map(|name| (*name).to_owned()).chain(path.iter().cloned()).collect();
                if refused.contains(&pointer(&whole)) {
                    let said = if let Written::Set(value) = written { value.clone() } else { Value::Null };
                    losses.push(Self {
                        section: name.to_owned(),
                        path: path.clone(),
                        active: Value::Null,
                        former_active: said,
                        kept: "active".to_owned(),
                    });
                }
            }
        }
        losses
    }

    fn of_section(section: &str, writes: &SectionWrites) -> Vec<Self> {
        let mut members = Object::new();
        writes.apply_to(&mut members);
        let gone = writes.removed_members().map(|name| (name.clone(), Value::Null));
        let all = members.into_iter().chain(gone);
        all.map(|(name, value)| Self {
            section: section.to_owned(),
            path: vec![name],
            active: Value::Null,
            former_active: value,
            kept: "active".to_owned(),
        })
        .collect()
    }

    /// What of this patch the former active hub said and the active one, of which these are the values, is not given:
    /// member by member, so that a removal is named as one.
    pub(crate) fn of_patch(section: &str, patch: &Object, active: &Object) -> Vec<Self> {
        let mut losses = Vec::new();
        let mut open = vec![(Path::new(), patch)];
        while let Some((parent, patch)) = open.pop() {
            for (name, value) in patch {
                let path = [parent.clone(), vec![name.clone()]].concat();
                match value {
                    Value::Object(members) if !members.is_empty() => open.push((path, members)),
                    _ => losses.push(Self {
                        section: section.to_owned(),
                        active: member(active, &path).cloned().unwrap_or_default(),
                        path,
                        former_active: value.clone(),
                        kept: "active".to_owned(),
                    }),
                }
            }
        }
        losses
    }

    /// What the former active hub has and nobody can read, by its place.
    pub(crate) fn of_unreadable(former: &TwinDocument, active: &TwinDocument) -> Vec<Self> {
        let of = |path: &Path| {
            let (name, path) = in_section(path)?;
            Some(Self {
                section: name.to_owned(),
                active: member(values(active, name), path).cloned().unwrap_or_default(),
                path: path.to_vec(),
                former_active: Value::from("text that cannot be read"),
                kept: "active".to_owned(),
            })
        };
        former.unreadable.iter().filter_map(of).collect()
    }

    /// What of the active hub's values this patch leaves, where they end with their identity.
    pub(crate) fn of_ended(section: &str, values: &Object, patch: &Object) -> Vec<Self> {
        let mut left = values.clone();
        apply(&mut left, patch);
        let all = Self::of_patch(section, &left, values).into_iter();
        all.map(|loss| Self { former_active: Value::Null, kept: "former-active".to_owned(), ..loss })
            .collect()
    }

    /// What of these writes to the hub that is not active is there still, and not on the active one, where nothing was
    /// written later: what copying the active hub overwrites.
    pub(crate) fn of_overwritten(
        writes: &TwinWrites,
        active: &TwinDocument,
        there: &TwinDocument,
    ) -> Vec<Self> {
        let sections = [("tags", &writes.tags), ("desired", &writes.desired), ("reported", &writes.reported)];
        let mut losses = Vec::new();
        for (name, writes) in sections {
            for (path, written) in writes.written() {
                let value = match written {
                    Written::Set(Value::Object(_)) | Written::Object => continue,
                    Written::Set(value) => Some(value),
                    Written::Removed => None,
                };
                let at = writes.written_at(path).flatten();
                let is_there = member(values(there, name), path) == value;
                let kept = member(values(active, name), path);
                if is_there && kept != value && !is_later(active, name, path, at) {
                    losses.push(Self {
                        section: name.to_owned(),
                        path: path.clone(),
                        active: kept.cloned().unwrap_or_default(),
                        former_active: value.cloned().unwrap_or_default(),
                        kept: "active".to_owned(),
                    });
                }
            }
        }
        losses
    }

    /// Whether it names what the other one names: the same value that was not kept, whatever stood against it.
    pub(crate) fn names_the_same_as(&self, other: &Self) -> bool {
        (&self.section, &self.path, &self.kept, self.not_kept())
            == (&other.section, &other.path, &other.kept, other.not_kept())
    }

    fn not_kept(&self) -> &Value {
        if self.kept == "active" { &self.former_active } else { &self.active }
    }

    /// A member of the registry entry of which the two hubs say something else, and nobody can tell who did so later. It may
    /// hold keys.
    pub(crate) fn of_entry(name: &str) -> Self {
        Self {
            section: "registry".to_owned(),
            path: vec![name.to_owned()],
            active: Value::from("stays"),
            former_active: Value::from("something else"),
            kept: "active".to_owned(),
        }
    }

    /// That an identity was made or deleted, where that is not brought over.
    pub(crate) fn of_lifecycle(what: &str) -> Self {
        Self {
            section: "registry".to_owned(),
            path: Vec::new(),
            active: Value::Null,
            former_active: Value::from(what),
            kept: "active".to_owned(),
        }
    }
}

fn values<'a>(twin: &'a TwinDocument, name: &str) -> &'a Object {
    if name == "tags" { &twin.tags } else { &section(twin, name).values }
}

/// Whether the member was written after `at` there. Of tags, and of what is gone, nobody can tell.
fn is_later(twin: &TwinDocument, name: &str, path: &[String], at: Option<Timestamp>) -> bool {
    if name == "tags" {
        return false;
    }
    let metadata = &section(twin, name).metadata;
    let node = path.iter().try_fold(metadata, |node, name| node.get(name));
    node.and_then(written_at).zip(at).is_some_and(|(there, at)| there > at)
}
