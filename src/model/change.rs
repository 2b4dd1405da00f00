//! What an event says was changed, in a form that composes.
//!
//! Merge patches do not compose: `{a: null}` then `{a: {c: 2}}` is not `{a: {c: 2}}`, because the
//! first one also removes what `a` held. [`Change`] keeps that apart (`Set` replaces, `Merge`
//! merges), so any number of changes of one document fold into one of bounded size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Object;

/// A change of one member of a document, or of the document as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The member is gone.
    Remove,
    /// The member is exactly this.
    Set(Value),
    /// The member is an object in which these members changed.
    Merge(BTreeMap<String, Change>),
}

impl Change {
    /// A merge patch, as the hub sends it; members whose name begins with `$` are the hub's own.
    pub fn from_patch(patch: &Object) -> Self {
        Self::Merge(
            patch
                .iter()
                .filter(|(name, _)| !name.starts_with('$'))
                .map(|(name, value)| {
                    let change = match value {
                        Value::Null => Self::Remove,
                        Value::Object(members) => Self::from_patch(members),
                        other => Self::Set(other.clone()),
                    };
                    (name.clone(), change)
                })
                .collect(),
        )
    }

    /// The document as a whole replaced by `document`, `$` members left out.
    pub fn replacement(document: &Object) -> Self {
        let mut fresh = Object::new();
        Self::from_patch(document).apply_to(&mut fresh);
        Self::Set(Value::Object(fresh))
    }

    /// This change and then `later`, as one.
    pub fn then(self, later: Self) -> Self {
        match (self, later) {
            (Self::Set(Value::Object(mut members)), later @ Self::Merge(_)) => {
                later.apply_to(&mut members);
                Self::Set(Value::Object(members))
            }
            (Self::Remove | Self::Set(_), later @ Self::Merge(_)) => {
                let mut members = Object::new();
                later.apply_to(&mut members);
                Self::Set(Value::Object(members))
            }
            (Self::Merge(mut first), Self::Merge(second)) => {
                for (name, change) in second {
                    let composed = match first.remove(&name) {
                        Some(earlier) => earlier.then(change),
                        None => change,
                    };
                    first.insert(name, composed);
                }
                Self::Merge(first)
            }
            (_, later) => later,
        }
    }

    /// Changes `document` so.
    pub fn apply_to(&self, document: &mut Object) {
        match self {
            Self::Remove => document.clear(),
            Self::Set(Value::Object(members)) => *document = members.clone(),
            Self::Set(_) => {}
            Self::Merge(members) => {
                for (name, change) in members {
                    change.apply_to_member(document, name);
                }
            }
        }
    }

    fn apply_to_member(&self, document: &mut Object, name: &str) {
        match self {
            Self::Remove => {
                document.remove(name);
            }
            Self::Set(value) => {
                document.insert(name.to_owned(), value.clone());
            }
            Self::Merge(_) => match document.get_mut(name) {
                Some(Value::Object(members)) => self.apply_to(members),
                _ => {
                    let mut members = Object::new();
                    self.apply_to(&mut members);
                    document.insert(name.to_owned(), Value::Object(members));
                }
            },
        }
    }
}

/// What one event (or several, folded) says about a twin. `None` is a part it says nothing about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TwinChange {
    /// Tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Change>,
    /// Desired properties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Change>,
    /// Reported properties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Change>,
}

impl TwinChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.tags.is_none() && self.desired.is_none() && self.reported.is_none()
    }

    /// This change and then `later`, as one.
    pub fn then(self, later: Self) -> Self {
        Self {
            tags: fold(self.tags, later.tags),
            desired: fold(self.desired, later.desired),
            reported: fold(self.reported, later.reported),
        }
    }
}

fn fold(first: Option<Change>, later: Option<Change>) -> Option<Change> {
    match (first, later) {
        (Some(first), Some(later)) => Some(first.then(later)),
        (first, later) => later.or(first),
    }
}
