//! `$metadata`: a mirror of an object tree with the time (and version) of the last write of every node.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::stamp::Stamp;

/// When, and for desired properties in which version, something was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Written {
    /// `$lastUpdated`.
    pub at: Stamp,
    /// `$lastUpdatedVersion`; reported properties have none (observed in recorded traffic).
    pub version: Option<u64>,
}

/// One node of the mirror. Arrays and scalars are leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metadata {
    written: Written,
    /// Sorted by name. A vector, because most nodes have few children or none and fleets have many nodes.
    children: Vec<(Box<str>, Metadata)>,
}

impl Metadata {
    /// A node without children.
    #[must_use]
    pub(super) fn leaf(written: Written) -> Self {
        Self { written, children: Vec::new() }
    }

    /// The mirror of a value in which everything was written at once; `null` members have no node.
    #[must_use]
    pub(super) fn mirror(value: &Value, written: Written) -> Self {
        match value {
            Value::Object(members) => Self::mirror_members(members, written),
            _ => Self::leaf(written),
        }
    }

    /// [`Metadata::mirror`] of an object's members.
    #[must_use]
    pub(super) fn mirror_members(members: &Map<String, Value>, written: Written) -> Self {
        let kept = members.iter().filter(|(_, value)| !value.is_null());
        let mut children: Vec<_> =
            kept.map(|(key, value)| (Box::from(key.as_str()), Self::mirror(value, written))).collect();
        // Maps may keep the order of insertion, depending on what else is built with this crate.
        children.sort_unstable_by(|(left, _): &(Box<str>, Self), (right, _)| left.cmp(right));
        Self { written, children }
    }

    /// The mirror of an object's members whose nodes, root first and children by name, were written as `written` says;
    /// `None` when that ends too early.
    pub(super) fn mirror_with(
        members: &Map<String, Value>,
        written: &mut impl Iterator<Item = Written>,
    ) -> Option<Self> {
        let root = written.next()?;
        let mut kept: Vec<_> = members.iter().filter(|(_, value)| !value.is_null()).collect();
        kept.sort_unstable_by_key(|(key, _)| *key);
        let children = kept.into_iter().map(|(key, value)| {
            let child = match value {
                Value::Object(members) => Self::mirror_with(members, written)?,
                _ => Self::leaf(written.next()?),
            };
            Some((Box::from(key.as_str()), child))
        });
        Some(Self { written: root, children: children.collect::<Option<_>>()? })
    }

    /// When this node was written.
    pub(super) fn written(&self) -> Written {
        self.written
    }

    /// Its children by name.
    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().map(|(_, child)| child)
    }

    /// Follows a merge patch.
    pub(super) fn merge(&mut self, patch: &Map<String, Value>, written: Written) {
        self.written = written;
        for (key, value) in patch {
            let found = self.children.binary_search_by(|(name, _)| (**name).cmp(key));
            match (found, value) {
                (Ok(at), Value::Null) => drop(self.children.remove(at)),
                (Err(_), Value::Null) => {}
                (Ok(at), value) => {
                    if let Some((_, child)) = self.children.get_mut(at) {
                        child.overwrite(value, written);
                    }
                }
                (Err(at), value) => {
                    self.children.insert(at, (key.as_str().into(), Self::mirror(value, written)));
                }
            }
        }
    }

    fn overwrite(&mut self, value: &Value, written: Written) {
        match value {
            Value::Object(members) => self.merge(members, written),
            _ => *self = Self::leaf(written),
        }
    }

    /// Takes over times and versions from metadata as a hub printed it, for the nodes that are here.
    pub(super) fn adopt(&mut self, printed: &Value) {
        let time = printed.get("$lastUpdated").and_then(Value::as_str).and_then(Stamp::parse);
        let version = printed.get("$lastUpdatedVersion").and_then(Value::as_u64);
        self.written.at = time.unwrap_or(self.written.at);
        self.written.version = self.written.version.map(|own| version.unwrap_or(own));
        for (name, child) in &mut self.children {
            if let Some(printed) = printed.get(&**name) {
                child.adopt(printed);
            }
        }
    }

    /// As the hub prints it.
    #[must_use]
    pub(super) fn to_json(&self) -> Value {
        self.print(&mut Printed::new(self.written.at))
    }

    fn print(&self, printed: &mut Printed) -> Value {
        let mut node = Map::new();
        node.insert("$lastUpdated".to_owned(), printed.text(self.written.at).into());
        if let Some(version) = self.written.version {
            node.insert("$lastUpdatedVersion".to_owned(), version.into());
        }
        for (key, child) in &self.children {
            node.insert(key.to_string(), child.print(printed));
        }
        Value::Object(node)
    }
}

/// A time as text: neighbours were mostly written at once, and printing a time is what a twin's metadata costs.
struct Printed {
    at: Stamp,
    text: String,
}

impl Printed {
    fn new(at: Stamp) -> Self {
        Self { at, text: at.to_string() }
    }

    fn text(&mut self, at: Stamp) -> &str {
        if at != self.at {
            *self = Self::new(at);
        }
        &self.text
    }
}
