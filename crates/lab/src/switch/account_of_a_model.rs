//! Accounting against a model: one device, writes one after the other, hubs that apply all of them, or all but one.

#![allow(clippy::indexing_slicing)]

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::super::fields;
use super::super::ledger::{Change, Outcome, Section, Write};
use super::*;

const WRITES: u64 = 40;

/// What a hub accepts: an absent device is made before anything else, and one that is there is not made.
fn random_writes(random: &mut StdRng) -> Vec<Write> {
    let mut present = false;
    let mut next = |number: u64| {
        let lot = random.random_range(0..12);
        let change = match lot {
            _ if !present => registry(Some(json!(format!("key {number}")))),
            0 => registry(None),
            1..6 => fields::change(random, "d", Section::Tags, number),
            _ => fields::change(random, "d", Section::Reported, number),
        };
        present = !is_deletion_of(&change);
        let sent = Duration::from_secs(2 * number);
        let outcome = Outcome::Accepted(sent + Duration::from_secs(1));
        Write { change, hub: 0, sent, outcome }
    };
    (0..WRITES).map(&mut next).collect()
}

fn registry(value: Option<Value>) -> Change {
    Change { identity: "d".to_owned(), section: Section::Registry, path: Vec::new(), value }
}

/// A hub that has applied these writes. A device that is made while it is there keeps what it has.
fn hub<'a>(writes: impl Iterator<Item = &'a Write>) -> Hub {
    let mut hub = Hub::new();
    for Write { change, .. } in writes {
        if is_deletion_of(change) {
            hub.remove("d");
            continue;
        }
        let held = hub.entry("d".to_owned()).or_default();
        let below = |path: &FieldPath| path.starts_with(&change.path);
        match (change.section, &change.value) {
            (Section::Registry, key) => held.key = key.clone(),
            (section, None) => held.fields.retain(|(of, path), _| *of != section || !below(path)),
            (section, Some(value)) => {
                held.fields.insert((section, change.path.clone()), value.clone());
            }
        }
    }
    hub
}

fn is_deletion_of(change: &Change) -> bool {
    change.section == Section::Registry && change.value.is_none()
}

fn verdicts_of(writes: &[Write], hubs: [Hub; 2]) -> Vec<Verdict> {
    let evidence = Evidence { hubs, ..Evidence::default() };
    account(writes, &evidence).into_iter().map(|(_, verdict)| verdict).collect()
}

#[test]
fn hubs_that_applied_everything_in_order_have_lost_nothing() {
    for seed in 0..300 {
        let writes = random_writes(&mut StdRng::seed_from_u64(seed));
        let verdicts = verdicts_of(&writes, [hub(writes.iter()), hub(writes.iter())]);
        assert!(verdicts.iter().all(|verdict| *verdict <= Verdict::Superseded), "{seed}: {verdicts:?}");
    }
}

#[test]
fn a_write_that_one_hub_missed_is_the_only_one_lost_when_the_hubs_differ_by_it() {
    let mut found = 0;
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let writes = random_writes(&mut random);
        let missed = random.random_range(1..writes.len());
        if writes[missed].change.section == Section::Registry && !is_deletion_of(&writes[missed].change) {
            // Nothing that follows would be accepted.
            continue;
        }
        let others = writes.iter().enumerate().filter(|(index, _)| *index != missed).map(|(_, write)| write);
        let hubs = [hub(writes.iter()), hub(others)];
        let differ = hubs[0] != hubs[1];
        let verdicts = verdicts_of(&writes, hubs);
        let lost: Vec<usize> = (0..writes.len()).filter(|index| verdicts[*index] == Verdict::Lost).collect();
        assert_eq!(lost, if differ { vec![missed] } else { Vec::new() }, "{seed}: {:?}", writes[missed]);
        found += usize::from(differ);
    }
    assert!(found > 30, "{found}");
}
