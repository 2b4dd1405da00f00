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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::merge_patch;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    fn members(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Object> {
        prop::collection::btree_map("[a-c]", values, 0..4).prop_map(|members| members.into_iter().collect())
    }

    /// A document, or with `nulls` a patch of one, on few names so that they meet.
    fn value(nulls: bool) -> impl Strategy<Value = Value> {
        let null = if nulls { Value::Null } else { json!("not null") };
        let leaf = prop_oneof![
            Just(null),
            (0..3i64).prop_map(Value::from),
            Just(json!(1.50)),
            Just(json!([1, {"a": null}])),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| members(inner).prop_map(Value::Object))
    }

    fn document() -> impl Strategy<Value = Object> {
        members(value(false))
    }

    fn patch() -> impl Strategy<Value = Object> {
        members(value(true))
    }

    /// What events say: mostly patches, now and then a replacement.
    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => patch().prop_map(|patch| Change::from_patch(&patch)),
            1 => document().prop_map(|document| Change::replacement(&document)),
        ]
    }

    fn applied(mut document: Object, changes: &[Change]) -> Object {
        changes.iter().for_each(|change| change.apply_to(&mut document));
        document
    }

    fn folded(changes: &[Change]) -> Change {
        changes.iter().cloned().fold(Change::Merge(BTreeMap::new()), Change::then)
    }

    #[test]
    fn what_merge_patches_cannot_say_together_changes_can() {
        let removed = Change::from_patch(&object(json!({"a": null})));
        let added = Change::from_patch(&object(json!({"a": {"c": 2}})));
        let document = object(json!({"a": {"b": 1}}));
        assert_eq!(applied(document, &[removed.then(added)]), object(json!({"a": {"c": 2}})));
    }

    #[test]
    fn the_hubs_own_members_are_no_change() {
        let patch = object(json!({"a": {"$x": 1, "b": 1}, "$version": 4, "$metadata": {"a": {}}}));
        assert_eq!(Change::from_patch(&patch), Change::from_patch(&object(json!({"a": {"b": 1}}))));
    }

    #[test]
    fn the_spelling_of_a_number_survives() {
        let patch: Object = serde_json::from_str(r#"{"a":1.0,"b":123456789012345678901234567890}"#).unwrap();
        let text = serde_json::to_string(&applied(Object::new(), &[Change::from_patch(&patch)])).unwrap();
        assert_eq!(text, r#"{"a":1.0,"b":123456789012345678901234567890}"#);
    }

    proptest! {
        #[test]
        fn a_patch_as_a_change_does_what_the_hub_does(document in document(), patch in patch()) {
            let mut as_the_hub = document.clone();
            merge_patch::apply(&mut as_the_hub, &patch);
            prop_assert_eq!(applied(document, &[Change::from_patch(&patch)]), as_the_hub);
        }

        #[test]
        fn changes_folded_equal_changes_applied_one_by_one(
            document in document(), changes in prop::collection::vec(change(), 0..6),
        ) {
            prop_assert_eq!(applied(document.clone(), &[folded(&changes)]), applied(document, &changes));
        }

        #[test]
        fn it_does_not_matter_where_a_sequence_is_cut(
            changes in prop::collection::vec(change(), 0..6), cut in 0..6usize,
        ) {
            let (first, rest) = changes.split_at(cut.min(changes.len()));
            prop_assert_eq!(folded(first).then(folded(rest)), folded(&changes));
        }

        #[test]
        fn a_sequence_applied_to_its_own_result_changes_nothing(
            document in document(), changes in prop::collection::vec(change(), 0..6),
        ) {
            let once = applied(document, &[folded(&changes)]);
            prop_assert_eq!(applied(once.clone(), &[folded(&changes)]), once);
        }

        #[test]
        fn a_change_survives_storage(changes in prop::collection::vec(change(), 0..6)) {
            let change = TwinChange { tags: Some(folded(&changes)), ..TwinChange::default() };
            let text = serde_json::to_string(&change).unwrap();
            prop_assert_eq!(serde_json::from_str::<TwinChange>(&text).unwrap(), change);
        }
    }
}
