//! What must hold for every merge.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::merge::{merge, replacement_patch, without_nulls};
use super::metadata::{Metadata, Written};
use crate::stamp::Stamp;

const WRITTEN: Written = Written { at: Stamp::NEVER, version: Some(1) };

fn members(nulls: bool) -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        any::<u8>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
        prop::collection::vec(any::<bool>(), 0..3).prop_map(Value::from),
        Just(if nulls { Value::Null } else { Value::Bool(true) }),
    ];
    let object = |inner| prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(Map::from_iter);
    let value = leaf.prop_recursive(3, 24, 4, move |inner| object(inner).prop_map(Value::Object));
    object(value.boxed())
}

/// Names of the nodes, with their nesting, leaving out what metadata says about itself.
fn shape(members: &Map<String, Value>) -> Map<String, Value> {
    let named = members.iter().filter(|(name, _)| !name.starts_with('$'));
    let inner = |value: &Value| value.as_object().map(shape).unwrap_or_default();
    named.map(|(name, value)| (name.clone(), Value::Object(inner(value)))).collect()
}

proptest! {
    #[test]
    fn a_replacement_patch_turns_the_old_into_the_new(old in members(false), new in members(false)) {
        let mut merged = old.clone();
        merge(&mut merged, &replacement_patch(&old, &new));
        prop_assert_eq!(merged, new);
    }

    #[test]
    fn metadata_has_a_node_for_every_member_and_no_other(first in members(true), patches in prop::collection::vec(members(true), 0..4)) {
        let mut merged = without_nulls(&first);
        let mut metadata = Metadata::mirror_members(&merged, WRITTEN);
        for patch in &patches {
            merge(&mut merged, patch);
            metadata.merge(patch, WRITTEN);
        }
        let metadata = metadata.to_json();
        prop_assert_eq!(metadata.as_object().map(shape), Some(shape(&merged)));
    }

    #[test]
    fn merging_the_same_patch_twice_is_merging_it_once(old in members(false), patch in members(true)) {
        let mut once = old;
        merge(&mut once, &patch);
        let mut twice = once.clone();
        merge(&mut twice, &patch);
        prop_assert_eq!(once, twice);
    }
}
