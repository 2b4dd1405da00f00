//! What becomes of writes: one device, a table of cases.

use super::super::ledger::{Change, Outcome, Section, Write};
use super::*;
use serde_json::json;

const FIELD: &str = "rate";

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Sent at `sent`, accepted a second later.
fn written(section: Section, path: &[&str], value: Option<Value>, sent: u64) -> Write {
    let path = path.iter().map(ToString::to_string).collect();
    let change = Change { identity: "d".to_owned(), section, path, value };
    Write { change, hub: 0, sent: at(sent), outcome: Outcome::Accepted(at(sent + 1)) }
}

fn set(value: u32, sent: u64) -> Write {
    written(Section::Desired, &[FIELD], Some(json!(value)), sent)
}

fn removed(sent: u64) -> Write {
    written(Section::Desired, &[FIELD], None, sent)
}

fn made(key: &str, sent: u64) -> Write {
    written(Section::Registry, &[], Some(json!(key)), sent)
}

fn deleted(sent: u64) -> Write {
    written(Section::Registry, &[], None, sent)
}

fn unanswered(write: Write) -> Write {
    Write { outcome: Outcome::Unanswered, ..write }
}

/// A device with this key and this value of the field.
fn device(key: &str, value: Option<u32>) -> Hub {
    let fields = value.map(|value| ((Section::Desired, vec![FIELD.to_owned()]), json!(value)));
    let held = Held { key: Some(json!(key)), fields: fields.into_iter().collect() };
    Hub::from([("d".to_owned(), held)])
}

fn field(value: Option<u32>) -> Hub {
    device("k", value)
}

fn both(hub: Hub) -> [Hub; 2] {
    [hub.clone(), hub]
}

fn verdicts(writes: &[Write], hubs: [Hub; 2]) -> Vec<Verdict> {
    judged_with(writes, &Evidence { hubs, ..Evidence::default() })
}

fn judged_with(writes: &[Write], evidence: &Evidence) -> Vec<Verdict> {
    account(writes, evidence).into_iter().map(|(_, verdict)| verdict).collect()
}

use Verdict::{Lost, OnBoth, Pending, Reported, Superseded};

#[test]
fn of_two_writes_of_a_field_the_later_one_must_be_on_both_hubs() {
    let writes = [set(1, 0), set(2, 5)];
    let cases = [
        (both(field(Some(2))), [Superseded, OnBoth]),
        (both(field(Some(1))), [OnBoth, Lost]),
        ([field(Some(2)), field(Some(1))], [Superseded, Lost]),
        (both(field(None)), [Lost, Lost]),
        (both(field(Some(9))), [Lost, Lost]),
        ([field(Some(2)), Hub::new()], [Lost, Lost]),
    ];
    for (hubs, wanted) in cases {
        assert_eq!(verdicts(&writes, hubs.clone()), wanted, "{hubs:?}");
    }
}

#[test]
fn of_two_writes_that_overlap_either_may_win() {
    let mut first = set(1, 0);
    first.outcome = Outcome::Accepted(at(9));
    let writes = [first, set(2, 5)];
    assert_eq!(verdicts(&writes, both(field(Some(1)))), [OnBoth, Superseded]);
    assert_eq!(verdicts(&writes, both(field(Some(2)))), [Superseded, OnBoth]);
}

#[test]
fn a_removal_is_a_write() {
    let writes = [set(1, 0), removed(5)];
    assert_eq!(verdicts(&writes, both(field(None))), [Superseded, OnBoth]);
    assert_eq!(verdicts(&writes, both(field(Some(1)))), [OnBoth, Lost]);
    let again = [set(1, 0), removed(5), set(3, 9)];
    assert_eq!(verdicts(&again, both(field(Some(3)))), [Superseded, Superseded, OnBoth]);
    assert_eq!(verdicts(&again, both(field(None))), [Superseded, OnBoth, Lost]);
}

#[test]
fn a_removal_of_an_object_is_one_of_everything_below_it() {
    let inner = |value: u32, sent| written(Section::Tags, &["site", "a"], Some(json!(value)), sent);
    let outer = written(Section::Tags, &["site"], None, 5);
    let held = |name: &str, value: u32| {
        let fields = [((Section::Tags, vec!["site".to_owned(), name.to_owned()]), json!(value))];
        Hub::from([("d".to_owned(), Held { key: None, fields: fields.into() })])
    };
    let writes = [inner(1, 0), outer.clone()];
    assert_eq!(verdicts(&writes, both(field(None))), [Superseded, OnBoth]);
    assert_eq!(verdicts(&writes, both(held("a", 1))), [OnBoth, Lost]);
    let writes = [inner(1, 0), outer, inner(2, 9)];
    assert_eq!(verdicts(&writes, both(held("a", 2))), [Superseded, Superseded, OnBoth]);
    // What nobody wrote, and is below it, ought not to be there.
    assert_eq!(verdicts(&writes, both(held("b", 7))), [Superseded, Lost, Lost]);
}

#[test]
fn a_deletion_supersedes_everything_of_the_device() {
    let writes = [made("k", 0), set(1, 2), deleted(5)];
    assert_eq!(verdicts(&writes, both(Hub::new())), [Superseded, Superseded, OnBoth]);
    assert_eq!(verdicts(&writes, both(device("k", Some(1)))), [OnBoth, OnBoth, Lost]);
    assert_eq!(verdicts(&writes, [device("k", Some(1)), Hub::new()]), [Superseded, Superseded, Lost]);
}

#[test]
fn a_device_that_nobody_deleted_must_be_on_both_hubs_with_its_key() {
    let writes = [made("k", 0), set(1, 2)];
    assert_eq!(verdicts(&writes, both(device("k", Some(1)))), [OnBoth, OnBoth]);
    assert_eq!(verdicts(&writes, [device("k", Some(1)), Hub::new()]), [Lost, Lost]);
    assert_eq!(verdicts(&writes, both(Hub::new())), [Lost, Lost]);
    assert_eq!(verdicts(&writes, both(device("other", Some(1)))), [Lost, OnBoth]);
}

#[test]
fn a_device_that_is_made_again_begins_anew() {
    let writes = [made("k", 0), set(1, 2), deleted(5), made("new", 9)];
    assert_eq!(verdicts(&writes, both(device("new", None))), [Superseded, Superseded, Superseded, OnBoth]);
    // The old life's value in the new life: the deletion did not reach it.
    assert_eq!(verdicts(&writes, both(device("new", Some(1)))), [Superseded, OnBoth, Lost, OnBoth]);
    assert_eq!(verdicts(&writes, both(device("k", Some(1)))), [OnBoth, OnBoth, Lost, Lost]);
    assert_eq!(verdicts(&writes, both(Hub::new())), [Superseded, Superseded, OnBoth, Lost]);
}

#[test]
fn a_write_without_an_answer_explains_what_is_there_and_is_owed_nothing() {
    let writes = [set(1, 0), unanswered(set(2, 5))];
    assert_eq!(verdicts(&writes, both(field(Some(2)))), [Superseded]);
    assert_eq!(verdicts(&writes, both(field(Some(1)))), [OnBoth]);
    let writes = [made("k", 0), unanswered(deleted(5))];
    assert_eq!(verdicts(&writes, both(Hub::new())), [Superseded]);
}

#[test]
fn what_a_loss_report_names_is_reported_and_what_it_took_the_place_of_superseded() {
    let writes = [set(1, 0), set(2, 5), set(3, 3)];
    let loss = |values| Loss {
        identity: "d".to_owned(),
        section: Section::Desired,
        path: vec![FIELD.to_owned()],
        values,
    };
    let mut evidence = Evidence { hubs: both(field(Some(3))), ..Evidence::default() };
    evidence.losses = vec![loss(vec![json!(3), json!(2)])];
    assert_eq!(judged_with(&writes, &evidence), [Superseded, Reported, OnBoth]);
    evidence.losses = vec![loss(vec![json!(3), json!(1)])];
    assert_eq!(judged_with(&writes, &evidence), [Superseded, Lost, OnBoth]);
}

#[test]
fn a_report_about_an_object_names_what_is_in_it() {
    let write = written(Section::Tags, &["site", "a"], Some(json!(1)), 0);
    let loss = |path: &[&str], value| Loss {
        identity: "d".to_owned(),
        section: Section::Tags,
        path: path.iter().map(ToString::to_string).collect(),
        values: vec![value, Value::Null],
    };
    let cases = [
        (loss(&["site"], json!({"a": 1})), Reported),
        (loss(&["site"], json!({"a": 2})), Lost),
        (loss(&["site", "a"], json!(1)), Reported),
        (loss(&["other"], json!(1)), Lost),
    ];
    for (loss, wanted) in cases {
        let evidence =
            Evidence { hubs: both(field(None)), losses: vec![loss.clone()], ..Evidence::default() };
        assert_eq!(judged_with(std::slice::from_ref(&write), &evidence), [wanted], "{loss:?}");
    }
}

#[test]
fn a_removal_is_reported_where_a_hub_had_nothing() {
    let writes = [set(1, 0), removed(5), set(2, 3)];
    let loss = Loss {
        identity: "d".to_owned(),
        section: Section::Desired,
        path: vec![FIELD.to_owned()],
        values: vec![json!(2), Value::Null],
    };
    let evidence = Evidence { hubs: both(field(Some(2))), losses: vec![loss], ..Evidence::default() };
    assert_eq!(judged_with(&writes, &evidence), [Superseded, Reported, OnBoth]);
}

#[test]
fn what_would_be_lost_is_pending_while_its_device_is() {
    let writes = [set(1, 0), set(2, 5)];
    let hubs = [field(Some(2)), field(Some(1))];
    let evidence = Evidence { hubs, pending: BTreeSet::from(["d".to_owned()]), ..Evidence::default() };
    assert_eq!(judged_with(&writes, &evidence), [Superseded, Pending]);
    assert!(differences(&evidence).is_empty());
}

#[test]
fn a_module_is_accounted_for_by_itself_and_named_with_its_device() {
    let of_module = |write: Write| Write {
        change: Change { identity: "d/m".to_owned(), ..write.change.clone() },
        ..write
    };
    let writes = [of_module(made("k", 0)), of_module(set(1, 2))];
    let module = BTreeMap::from([("d/m".to_owned(), field(Some(1)).remove("d").unwrap_or_default())]);
    assert_eq!(verdicts(&writes, both(module.clone())), [OnBoth, OnBoth]);
    assert_eq!(verdicts(&writes, [module, field(Some(1))]), [Lost, Lost]);
    let loss = Loss {
        identity: "d".to_owned(),
        section: Section::Registry,
        path: Vec::new(),
        values: vec![Value::Null],
    };
    let evidence = Evidence { losses: vec![loss], ..Evidence::default() };
    assert_eq!(judged_with(&writes[..1], &evidence), [Reported], "its device's end is its own");
    let evidence = Evidence { pending: BTreeSet::from(["d".to_owned()]), ..Evidence::default() };
    assert_eq!(judged_with(&writes, &evidence), [Pending, Pending], "it waits for its device");
}

#[test]
fn what_differs_between_the_hubs_is_named_without_keys() {
    let differing = |hubs| differences(&Evidence { hubs, ..Evidence::default() });
    assert_eq!(differing([field(Some(1)), Hub::new()]), ["d: only on the primary"]);
    assert_eq!(differing([device("one", None), device("two", None)]), ["d: its keys differ"]);
    let lines = differing([field(Some(1)), field(None)]);
    assert_eq!(lines, ["d: desired rate: primary 1, secondary nothing"]);
    assert!(differing(both(field(Some(1)))).is_empty());
}
