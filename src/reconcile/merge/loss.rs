//! What one hub's clients said and the other hub's said otherwise.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::section;
use crate::model::{Object, Path, SectionWrites, TwinDocument, TwinWrites, member};

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

    /// Whether the active hub has another value; it is named then.
    pub(crate) fn differs_from(&mut self, active: &TwinDocument) -> bool {
        let values = match self.section.as_str() {
            "tags" => &active.tags,
            name => &section(active, name).values,
        };
        self.active = member(values, &self.path).cloned().unwrap_or_default();
        self.active != self.former_active
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
