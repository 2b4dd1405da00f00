#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

fn object(value: Value) -> Object {
    value.as_object().cloned().unwrap()
}

const LONG_AGO: &str = "2026-11-24T00:00:00Z";
const CUT: &str = "2026-11-24T01:00:00Z";
const SINCE: &str = "2026-11-24T01:00:16Z";
const SOON: &str = "2026-11-24T01:00:30Z";
const LATER: &str = "2026-11-24T01:01:00Z";

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// A twin whose desired (and reported) members were written at these times, each by the write of this version.
fn twin(members: &[(&str, Value, &str, u64)], tags: Value) -> TwinDocument {
    let mut section = json!({"$version": 9, "$metadata": {"$lastUpdated": LONG_AGO}});
    for (name, value, time, version) in members {
        section[*name] = value.clone();
        section["$metadata"][*name] = json!({"$lastUpdated": time, "$lastUpdatedVersion": version});
        if *time > section["$metadata"]["$lastUpdated"].as_str().unwrap() {
            section["$metadata"]["$lastUpdated"] = (*time).into();
        }
    }
    let properties = json!({"desired": section, "reported": {}});
    TwinDocument::from_json(object(json!({"etag": "e", "tags": tags, "properties": properties}))).unwrap()
}

#[derive(Default)]
struct Known {
    former: TwinWrites,
    active: TwinWrites,
    own: OwnWrites,
}

/// The former hub is the origin: all that is on it is its clients'.
fn merged(former: Option<&TwinDocument>, active: &TwinDocument, known: &Known) -> Merge {
    let (nothing, settled) = (OwnWrites::default(), Decided::default());
    let theirs = Side { writes: &known.former, own: &nothing, since: None, decided: settled };
    let ours = Side { writes: &known.active, own: &known.own, since: at(SINCE), decided: settled };
    merge(former.map_or(Former::Silent, Former::Twin), theirs, active, ours)
}

fn desired(patch: Value, time: &str) -> TwinWrites {
    TwinWrites { desired: SectionWrites::from_patch(&object(patch), at(time)), ..TwinWrites::default() }
}

fn tags(patch: Value, time: &str) -> TwinWrites {
    TwinWrites { tags: SectionWrites::from_patch(&object(patch), at(time)), ..TwinWrites::default() }
}

fn lost(merged: &Merge) -> Vec<(String, String)> {
    merged.losses.iter().map(|loss| (loss.path.join("."), loss.kept.clone())).collect()
}

#[test]
fn what_was_not_copied_before_the_cut_goes_to_the_active_hub_though_the_copy_there_is_younger() {
    let former = twin(&[("rate", json!(9), LONG_AGO, 4)], json!({}));
    let active = twin(&[("rate", json!(5), CUT, 3)], json!({}));
    let merged = merged(Some(&former), &active, &Known::default());
    assert_eq!(merged.desired, object(json!({"rate": 9})));
    assert!(merged.losses.is_empty());
}

#[test]
fn a_value_that_a_client_wrote_on_the_active_hub_stands_against_an_earlier_one_and_yields_to_a_later_one() {
    let active = twin(&[("rate", json!(5), SOON, 3)], json!({}));
    let earlier = twin(&[("rate", json!(9), SINCE, 4)], json!({}));
    let kept = merged(Some(&earlier), &active, &Known::default());
    assert!(kept.desired.is_empty());
    assert_eq!(lost(&kept), [("rate".to_owned(), "active".to_owned())], "nobody had seen it");
    let later = twin(&[("rate", json!(9), LATER, 4)], json!({}));
    let brought = merged(Some(&later), &active, &Known::default());
    assert_eq!(brought.desired, object(json!({"rate": 9})));
    assert_eq!(lost(&brought), [("rate".to_owned(), "former-active".to_owned())]);
}

#[test]
fn a_value_that_had_been_copied_and_that_a_client_then_changed_is_no_loss() {
    let former = twin(&[("rate", json!(9), LONG_AGO, 4)], json!({}));
    let active = twin(&[("rate", json!(5), SOON, 3)], json!({}));
    assert_eq!(merged(Some(&former), &active, &Known::default()), Merge::default());
}

/// What the service answers to a write: twin and desired are at these versions then.
fn returned(version: u64, desired: u64) -> TwinDocument {
    let properties = json!({"desired": {"$version": desired}, "reported": {}});
    TwinDocument::from_json(object(json!({"etag": "e", "version": version, "properties": properties})))
        .unwrap()
}

#[test]
fn a_write_of_tags_alone_does_not_make_a_clients_desired_value_our_own() {
    let former = twin(&[("rate", json!(9), LONG_AGO, 4)], json!({}));
    let active = twin(&[("rate", json!(5), SOON, 7)], json!({}));
    let (mut known, mut wrote) = (Known::default(), Wrote::default());
    wrote.twin(&object(json!({"tags": {"site": "A"}})), &returned(20, 7));
    known.own.wrote(&wrote, &TwinWrites::default());
    assert!(merged(Some(&former), &active, &known).desired.is_empty());
    assert!(known.own.is_echo(Some(20), None, &TwinWrites::default()));
}

#[test]
fn what_one_process_is_answered_is_not_taken_for_what_another_began_since() {
    let active = twin(&[], json!({}));
    let (one, other) = (desired(json!({"rate": 5}), SOON), desired(json!({"mode": "b"}), SOON));
    let mut own = OwnWrites::default();
    own.begin(&active, one.clone());
    own.begin(&active, other.clone());
    own.was_refused(&one);
    assert!(own.is_echo(Some(9), None, &other), "it may have been written");
    assert!(!own.is_echo(Some(9), None, &one));
    own.begin(&active, one.clone());
    let mut wrote = Wrote::default();
    wrote.twin(&object(json!({"properties": {"desired": {"mode": "b"}}})), &returned(20, 7));
    own.wrote(&wrote, &other);
    assert!(own.is_echo(Some(9), None, &one), "it was begun later");
}

#[test]
fn the_apps_own_write_is_no_clients_whatever_its_time() {
    let former = twin(&[("rate", json!(9), SOON, 4)], json!({}));
    let active = twin(&[("rate", json!(5), LATER, 7)], json!({}));
    let mut known = Known::default();
    let mut wrote = Wrote::default();
    wrote.twin(&object(json!({"properties": {"desired": {"rate": 5}}})), &returned(20, 7));
    known.own.wrote(&wrote, &TwinWrites::default());
    assert_eq!(merged(Some(&former), &active, &known).desired, object(json!({"rate": 9})));
    known.own = OwnWrites::default();
    known.own.begin(&former, desired(json!({"rate": 5}), LATER));
    assert_eq!(
        merged(Some(&former), &active, &known).desired,
        object(json!({"rate": 9})),
        "begun and not heard of"
    );
}

#[test]
fn a_removal_is_a_write_on_either_side() {
    let here = twin(&[("rate", json!(5), LONG_AGO, 3)], json!({}));
    let gone = twin(&[], json!({}));
    let removed = merged(Some(&gone), &here, &Known::default());
    assert_eq!(removed.desired, object(json!({"rate": null})), "the copy of what is gone");
    let changed = twin(&[("rate", json!(5), SOON, 3)], json!({}));
    assert!(
        merged(Some(&gone), &changed, &Known::default()).desired.is_empty(),
        "a client's own, made since"
    );
    let known = Known { former: desired(json!({"rate": null}), LATER), ..Known::default() };
    let later = merged(Some(&gone), &changed, &known);
    assert_eq!((later.desired.get("rate"), lost(&later).len()), (Some(&Value::Null), 1));
    let known = Known { active: desired(json!({"rate": null}), LATER), ..Known::default() };
    let former = twin(&[("rate", json!(5), SOON, 3)], json!({}));
    let stays = merged(Some(&former), &gone, &known);
    assert!(stays.desired.is_empty() && lost(&stays).len() == 1, "removed later than it was written");
    let known = Known { active: desired(json!({"rate": null}), SINCE), ..Known::default() };
    assert_eq!(merged(Some(&former), &gone, &known).desired, object(json!({"rate": 5})));
}

#[test]
fn a_removal_on_the_active_hub_is_seen_also_where_events_carry_no_nulls() {
    let former = twin(&[("rate", json!(5), LONG_AGO, 3), ("mode", json!("a"), LONG_AGO, 2)], json!({}));
    let active = twin(&[("mode", json!("b"), SOON, 4)], json!({}));
    assert_eq!(merged(Some(&former), &active, &Known::default()), Merge::default());
    let untouched = twin(&[("mode", json!("a"), LONG_AGO, 2)], json!({}));
    let missing = merged(Some(&former), &untouched, &Known::default());
    assert_eq!(missing.desired, object(json!({"rate": 5})), "it never came");
}

#[test]
fn tags_are_decided_by_the_times_of_events_and_left_alone_without_any() {
    let (former, active) = (twin(&[], json!({"site": "A"})), twin(&[], json!({"site": "B"})));
    assert!(merged(Some(&former), &active, &Known::default()).tags.is_empty());
    let mut known = Known { former: tags(json!({"site": "A"}), SOON), ..Known::default() };
    assert_eq!(merged(Some(&former), &active, &known).tags, object(json!({"site": "A"})));
    known.active = tags(json!({"site": "B"}), LATER);
    let kept = merged(Some(&former), &active, &known);
    assert!(kept.tags.is_empty());
    assert_eq!(lost(&kept), [("site".to_owned(), "active".to_owned())]);
    known.active = tags(json!({"site": "B"}), SINCE);
    assert_eq!(merged(Some(&former), &active, &known).tags, object(json!({"site": "A"})));
}

#[test]
fn a_clients_tag_that_was_overwritten_before_its_event_was_heard_comes_back_when_it_is_the_later_one() {
    let (former, active) = (twin(&[], json!({"site": "A"})), twin(&[], json!({"site": "A"})));
    let mut known = Known {
        former: tags(json!({"site": "A"}), SOON),
        active: tags(json!({"site": "B"}), LATER),
        ..Known::default()
    };
    assert!(
        merged(Some(&former), &active, &known).tags.is_empty(),
        "whoever wrote it here is about to be heard"
    );
    known.own.begin(&active, known.former.clone());
    assert_eq!(merged(Some(&former), &active, &known).tags, object(json!({"site": "B"})));
    let earlier = Known { active: tags(json!({"site": "B"}), SINCE), ..known };
    assert!(merged(Some(&former), &active, &earlier).tags.is_empty());
}

#[test]
fn a_silent_former_hub_is_known_by_what_its_events_said() {
    let active = twin(&[("rate", json!(5), LONG_AGO, 3), ("late", json!(1), LATER, 4)], json!({"site": "B"}));
    let mut said = desired(json!({"rate": 9, "late": 2, "fresh": {"x": 1}}), SOON);
    said.tags = tags(json!({"site": "A"}), SOON).tags;
    let known = Known { former: said, ..Known::default() };
    let merged = merged(None, &active, &known);
    assert_eq!(merged.desired, object(json!({"rate": 9, "fresh": {"x": 1}})));
    assert_eq!(merged.tags, object(json!({"site": "A"})));
    assert_eq!(lost(&merged), [("late".to_owned(), "active".to_owned())]);
}

#[test]
fn after_a_second_promotion_the_origins_values_stand_unless_the_other_hubs_clients_wrote_later() {
    // The origin is active again: what the other one had as copies says nothing.
    let nothing = (TwinWrites::default(), OwnWrites::default(), Decided::default());
    let origin = twin(&[("rate", json!(9), LONG_AGO, 4), ("mode", json!("a"), LONG_AGO, 1)], json!({}));
    let other = twin(&[("rate", json!(5), CUT, 3), ("mode", json!("b"), SOON, 4)], json!({}));
    let theirs = Side { writes: &nothing.0, own: &nothing.1, since: at(SINCE), decided: nothing.2 };
    let ours = Side { writes: &nothing.0, own: &nothing.1, since: None, decided: nothing.2 };
    let merged = merge(Former::Twin(&other), theirs, &origin, ours);
    assert_eq!(merged.desired, object(json!({"mode": "b"})));
}

/// The same with reported properties in the place of desired ones.
fn reporting(members: &[(&str, Value, &str, u64)]) -> TwinDocument {
    let mut twin = twin(members, json!({}));
    std::mem::swap(&mut twin.desired, &mut twin.reported);
    twin
}

#[test]
fn what_a_device_reported_again_later_is_not_lost() {
    let former = reporting(&[("n", json!(14), SINCE, 4)]);
    let active = reporting(&[("n", json!(15), SOON, 5)]);
    assert_eq!(merged(Some(&former), &active, &Known::default()), Merge::default());
    let later = reporting(&[("n", json!(16), LATER, 6)]);
    let brought = merged(Some(&later), &active, &Known::default());
    assert_eq!((brought.reported, brought.losses.len()), (object(json!({"n": 16})), 0));
}

#[test]
fn what_is_left_of_a_patch_is_named_member_by_member_and_a_removal_as_one() {
    let patch = object(json!({"site": {"b": null, "c": {"x": 1}}, "n": 2}));
    let active = object(json!({"site": {"a": 43, "b": 36}}));
    let losses = Loss::of_patch("reported", &patch, &active);
    let named = |loss: &Loss| (loss.path.join("."), loss.active.clone(), loss.former_active.clone());
    let mut named: Vec<_> = losses.iter().map(named).collect();
    named.sort_by(|one, other| one.0.cmp(&other.0));
    let wanted = [
        ("n", json!(null), json!(2)),
        ("site.b", json!(36), json!(null)),
        ("site.c.x", json!(null), json!(1)),
    ];
    assert_eq!(named, wanted.map(|(path, active, former)| (path.to_owned(), active, former)));
}

#[test]
fn a_value_that_was_not_kept_is_named_once_whatever_stood_against_it() {
    let at = |time, value| twin(&[("rate", json!(value), time, 5)], json!({}));
    let against = |active| merged(Some(&at(SINCE, 9)), &active, &Known::default()).losses.remove(0);
    assert!(against(at(SOON, 1)).names_the_same_as(&against(at(SOON, 2))));
    let other = merged(Some(&at(SINCE, 8)), &at(SOON, 1), &Known::default()).losses.remove(0);
    assert!(!other.names_the_same_as(&against(at(SOON, 1))));
}

#[test]
fn a_write_to_the_standby_is_overwritten_where_it_is_there_still_and_nothing_came_later() {
    let written =
        TwinWrites { tags: tags(json!({"site": {"a": 1}}), SOON).tags, ..desired(json!({"rate": 9}), SOON) };
    let standby = twin(&[("rate", json!(9), SOON, 4)], json!({"site": {"a": 1, "b": 2}}));
    let named = |active: &TwinDocument, standby: &TwinDocument| -> Vec<String> {
        let losses = Loss::of_overwritten(&written, active, standby);
        losses.iter().map(|loss| loss.path.join(".")).collect()
    };
    let other = twin(&[("rate", json!(5), LONG_AGO, 3)], json!({"site": {"b": 3}}));
    assert_eq!(named(&other, &standby), ["site.a", "rate"]);
    assert_eq!(named(&standby, &standby), [] as [&str; 0], "both have it");
    let later = twin(&[("rate", json!(5), LATER, 3)], json!({"site": {"a": 1, "b": 3}}));
    assert_eq!(named(&later, &standby), [] as [&str; 0], "changed on the active hub since");
    assert_eq!(named(&other, &later), ["site.a"], "and what is not there any more nobody overwrites");
}

#[test]
fn what_was_reported_in_parts_is_our_own_also_what_came_before_the_last() {
    let former = reporting(&[("a", json!(9), SOON, 0), ("b", json!(9), SOON, 0)]);
    let mut active = reporting(&[("a", json!(1), LATER, 0), ("b", json!(2), LATER, 0)]);
    active.reported.version = 6;
    let first = active.clone();
    active.reported.metadata["b"]["$lastUpdated"] = "2026-11-24T01:02:00Z".into();
    active.reported.metadata["$lastUpdated"] = "2026-11-24T01:02:00Z".into();
    active.reported.version = 7;
    let mut wrote = Wrote::of_reported(6);
    wrote.note_report(&first);
    wrote.reported.push(7);
    let mut known = Known::default();
    known.own.wrote(&wrote, &TwinWrites::default());
    assert_eq!(merged(Some(&former), &active, &known).reported, object(json!({"a": 9, "b": 9})));
}
