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
        Just(json!([1, {"a": null}]))
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
fn writes() -> impl Strategy<Value = SectionWrites> {
    prop_oneof![
        4 => patch().prop_map(|patch| SectionWrites::from_patch(&patch, None)),
        1 => document().prop_map(|document| SectionWrites::replacement(&document, None)),
    ]
}

fn applied(mut document: Object, writes: &[SectionWrites]) -> Object {
    writes.iter().for_each(|writes| writes.apply_to(&mut document));
    document
}

fn folded(all: &[SectionWrites]) -> SectionWrites {
    let mut folded = SectionWrites::default();
    all.iter().for_each(|writes| folded.fold(writes.clone()));
    folded
}

fn path(text: &str) -> Path {
    text.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn what_merge_patches_cannot_say_together_writes_can() {
    let removed = SectionWrites::from_patch(&object(json!({"a": null})), None);
    let added = SectionWrites::from_patch(&object(json!({"a": {"c": 2}})), None);
    let document = object(json!({"a": {"b": 1}}));
    assert_eq!(applied(document, &[folded(&[removed, added])]), object(json!({"a": {"c": 2}})));
}

#[test]
fn the_hubs_own_members_are_no_writes() {
    let patch = object(json!({"a": {"$x": 1, "b": 1}, "$version": 4, "$metadata": {"a": {}}}));
    let plain = object(json!({"a": {"b": 1}}));
    assert_eq!(SectionWrites::from_patch(&patch, None), SectionWrites::from_patch(&plain, None));
}

#[test]
fn the_spelling_of_a_number_survives() {
    let patch: Object = serde_json::from_str(r#"{"a":1.0,"b":123456789012345678901234567890}"#).unwrap();
    let text =
        serde_json::to_string(&applied(Object::new(), &[SectionWrites::from_patch(&patch, None)])).unwrap();
    assert_eq!(text, r#"{"a":1.0,"b":123456789012345678901234567890}"#);
}

#[test]
fn a_member_was_written_with_what_it_is_part_of_and_with_what_is_part_of_it() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (one, two) = (at("2026-01-01T00:00:01Z"), at("2026-01-01T00:00:02Z"));
    let mut writes = SectionWrites::from_patch(&object(json!({"a": null, "b": {"c": 1}})), Some(one));
    writes.fold(SectionWrites::from_patch(&object(json!({"b": {"d": 2}})), Some(two)));
    assert_eq!(writes.written_at(&path("a")), Some(Some(one)));
    assert_eq!(writes.written_at(&path("a.x")), Some(Some(one)), "gone with what it was part of");
    assert_eq!(writes.written_at(&path("b.c")), Some(Some(one)));
    assert_eq!(writes.written_at(&path("b")), Some(Some(two)));
    assert_eq!(
        writes.written_at(&path("b.e")),
        None,
        "an object reached on the way says nothing of its members"
    );
    assert_eq!(writes.written_at(&path("z")), None);
}

#[test]
fn what_it_says_of_a_member_can_be_compared() {
    let writes = SectionWrites::from_patch(&object(json!({"a": null, "b": {"c": 1}, "d": 2})), None);
    assert!(writes.says(&path("a"), None) && writes.says(&path("d"), Some(&json!(2))));
    assert!(writes.says(&path("b.c"), Some(&json!(1))) && !writes.says(&path("b.c"), Some(&json!(2))));
    assert!(!writes.says(&path("z"), None) && !writes.says(&path("d"), None));
}

proptest! {
    #[test]
    fn a_patch_does_what_the_hub_does(document in document(), patch in patch()) {
        let mut as_the_hub = document.clone();
        merge_patch::apply(&mut as_the_hub, &patch);
        prop_assert_eq!(applied(document, &[SectionWrites::from_patch(&patch, None)]), as_the_hub);
    }

    #[test]
    fn writes_folded_equal_writes_applied_one_by_one(
        document in document(), all in prop::collection::vec(writes(), 0..6),
    ) {
        prop_assert_eq!(applied(document.clone(), &[folded(&all)]), applied(document, &all));
    }

    #[test]
    fn it_does_not_matter_where_a_sequence_is_cut(
        document in document(), all in prop::collection::vec(writes(), 0..6), cut in 0..6usize,
    ) {
        let (first, rest) = all.split_at(cut.min(all.len()));
        let cut = folded(&[folded(first), folded(rest)]);
        prop_assert_eq!(applied(document.clone(), &[cut]), applied(document, &[folded(&all)]));
    }

    #[test]
    fn a_sequence_applied_to_its_own_result_changes_nothing(
        document in document(), all in prop::collection::vec(writes(), 0..6),
    ) {
        let once = applied(document, &[folded(&all)]);
        prop_assert_eq!(applied(once.clone(), &[folded(&all)]), once);
    }

    #[test]
    fn writes_survive_storage(all in prop::collection::vec(writes(), 0..6)) {
        let writes = TwinWrites { tags: folded(&all), ..TwinWrites::default() };
        let text = serde_json::to_string(&writes).unwrap();
        prop_assert_eq!(serde_json::from_str::<TwinWrites>(&text).unwrap(), writes);
    }
}
