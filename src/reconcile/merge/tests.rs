#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn object(value: Value) -> Object {
    value.as_object().cloned().unwrap()
}

const BEFORE: &str = "2026-11-24T00:00:00Z";
const AFTER: &str = "2026-11-24T02:00:00Z";

fn cut() -> Timestamp {
    "2026-11-24T01:00:00Z".parse().unwrap()
}

/// An active hub's twin: `early` was written before the cut, `late` after it.
fn active() -> TwinDocument {
    let desired = json!({
        "early": 1, "late": 1, "deep": {"x": 1, "y": 1},
        "$version": 3,
        "$metadata": {
            "$lastUpdated": AFTER, "early": {"$lastUpdated": BEFORE}, "late": {"$lastUpdated": AFTER},
            "deep": {"$lastUpdated": AFTER, "x": {"$lastUpdated": BEFORE}, "y": {"$lastUpdated": AFTER}},
        },
    });
    let twin =
        json!({"etag": "e", "tags": {"site": "A"}, "properties": {"desired": desired, "reported": {}}});
    TwinDocument::from_json(object(twin)).unwrap()
}

fn desired(patch: Value) -> TwinChange {
    TwinChange { desired: Some(Change::from_patch(&object(patch))), ..TwinChange::default() }
}

fn applied(applied: TwinChange) -> Done {
    Done { applied, begun: TwinChange::default() }
}

#[test]
fn a_field_goes_to_the_active_unless_the_active_changed_it_after_the_cut() {
    let change = desired(json!({"early": 2, "late": 2, "fresh": 2, "deep": {"x": 2, "y": 2}}));
    let settled = settle(&change, &Done::default(), &active(), cut());
    assert_eq!(settled.desired, object(json!({"early": 2, "fresh": 2, "deep": {"x": 2}})));
    let lost: Vec<String> = settled.losses.iter().map(|loss| loss.path.join(".")).collect();
    assert_eq!(lost, ["deep.y", "late"]);
    assert!(settled.losses.iter().all(|l| l.kept == "active" && l.active == 1 && l.former_active == 2));
}

#[test]
fn a_removal_is_settled_like_any_other_change() {
    let settled = settle(&desired(json!({"early": null, "late": null})), &Done::default(), &active(), cut());
    assert_eq!(settled.desired, object(json!({"early": null})));
    assert_eq!(settled.losses.len(), 1);
}

#[test]
fn what_the_backlog_itself_wrote_after_the_cut_may_be_replaced_by_a_later_event_of_it() {
    let settled =
        settle(&desired(json!({"late": 2})), &applied(desired(json!({"late": 1}))), &active(), cut());
    assert_eq!(settled.desired, object(json!({"late": 2})));
    assert!(settled.losses.is_empty());
}

#[test]
fn what_was_brought_over_is_not_brought_over_again() {
    let tags = Change::replacement(&object(json!({"row": 7})));
    let change = TwinChange { tags: Some(tags), ..desired(json!({"late": 2, "early": null})) };
    assert_eq!(settle(&change, &applied(change.clone()), &active(), cut()), Settlement::default());
}

#[test]
fn a_value_that_was_brought_over_before_is_written_again_after_a_write_that_may_have_replaced_it() {
    let tags = |site: &str| TwinChange {
        tags: Some(Change::from_patch(&object(json!({"site": site})))),
        ..TwinChange::default()
    };
    // B was applied, then A was begun and nobody knows how that ended; the active says A.
    let done = Done { applied: tags("B"), begun: tags("A") };
    let settled = settle(&tags("B"), &done, &active(), cut());
    assert_eq!(settled.tags, object(json!({"site": "B"})));
    assert!(settled.losses.is_empty(), "A was our own");
}

#[test]
fn tags_are_written_and_what_they_replace_is_reported() {
    let tags = Change::from_patch(&object(json!({"site": "B", "row": 7})));
    let change = TwinChange { tags: Some(tags), ..TwinChange::default() };
    let settled = settle(&change, &Done::default(), &active(), cut());
    assert_eq!(settled.tags, object(json!({"site": "B", "row": 7})));
    let losses: Vec<_> = settled.losses.iter().map(|l| (l.active.clone(), l.kept.as_str())).collect();
    assert_eq!(losses, [(json!("A"), "former-active")]);
}

#[test]
fn equal_values_change_nothing_and_lose_nothing() {
    let change = desired(json!({"early": 1, "late": 1, "gone": null}));
    assert_eq!(settle(&change, &Done::default(), &active(), cut()), Settlement::default());
}

#[test]
fn a_replaced_document_removes_only_what_the_active_did_not_change_since() {
    let change = TwinChange {
        desired: Some(Change::replacement(&object(json!({"early": 5})))),
        ..TwinChange::default()
    };
    let settled = settle(&change, &Done::default(), &active(), cut());
    assert_eq!(settled.desired.get("early"), Some(&json!(5)));
    assert!(!settled.desired.contains_key("late"));
}
