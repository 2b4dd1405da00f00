//! The fields that clients write, chosen at random: names from a small set, so that writes of one field follow each
//! other, and values that are never used twice.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::ledger::{Change, Section};

/// The object that has fields of its own.
const OBJECT: &str = "site";
/// The names in it.
const INNER: [&str; 4] = ["a", "b", "c", "d"];
/// A field beside it.
const PLAIN: &str = "rate";
/// Of a hundred changes, how many remove the whole object, and how many one field.
const OBJECT_REMOVED: u32 = 3;
const FIELD_REMOVED: u32 = 18;
/// Of a hundred changes, how many are of the plain field.
const OF_PLAIN: u32 = 20;

/// One change of a field, set to `value` or removed.
pub(super) fn change(random: &mut StdRng, identity: &str, section: Section, value: u64) -> Change {
    let of = |path: &[&str], value: Option<u64>| Change {
        identity: identity.to_owned(),
        section,
        path: path.iter().map(ToString::to_string).collect(),
        value: value.map(|value| json!(value)),
    };
    let lot = random.random_range(0..100);
    if lot < OBJECT_REMOVED {
        return of(&[OBJECT], None);
    }
    let value = (lot >= FIELD_REMOVED).then_some(value);
    if random.random_range(0..100) < OF_PLAIN {
        return of(&[PLAIN], value);
    }
    let inner = INNER.get(random.random_range(0..INNER.len())).copied().unwrap_or(PLAIN);
    of(&[OBJECT, inner], value)
}

/// Every field of a section, set to a value that `next` gives or left out: what a replacement writes.
pub(super) fn all(
    random: &mut StdRng,
    identity: &str,
    section: Section,
    mut next: impl FnMut() -> u64,
) -> Vec<Change> {
    let plain = vec![PLAIN.to_owned()];
    let inner = INNER.map(|name| vec![OBJECT.to_owned(), name.to_owned()]);
    let change = |path| {
        let value = random.random::<bool>().then(&mut next).map(|value| json!(value));
        Change { identity: identity.to_owned(), section, path, value }
    };
    std::iter::once(plain).chain(inner).map(change).collect()
}

/// The merge patch that makes these changes of one section.
pub(super) fn merge_patch(changes: &[Change], section: Section) -> Value {
    let mut whole = Map::new();
    for change in changes.iter().filter(|change| change.section == section) {
        place(&mut whole, &change.path, change.value.clone().unwrap_or_default());
    }
    whole.into()
}

/// What a section is replaced with: what is left out is gone.
pub(super) fn replacement(changes: &[Change], section: Section) -> Value {
    let set: Vec<Change> = changes.iter().filter(|change| change.value.is_some()).cloned().collect();
    merge_patch(&set, section)
}

fn place(object: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => drop(object.insert(name.clone(), value)),
        [name, rest @ ..] => {
            let inner = object.entry(name.clone()).or_insert_with(|| json!({}));
            if let Value::Object(inner) = inner {
                place(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_has_each_change_at_its_path_and_null_for_a_removal() {
        let of = |path: &[&str], value| Change {
            identity: "d".to_owned(),
            section: Section::Tags,
            path: path.iter().map(ToString::to_string).collect(),
            value,
        };
        let changes =
            [of(&["site", "a"], Some(json!(1))), of(&["site", "b"], None), of(&["n"], Some(json!(2)))];
        assert_eq!(merge_patch(&changes, Section::Tags), json!({"site":{"a":1,"b":null},"n":2}));
        assert_eq!(merge_patch(&changes, Section::Desired), json!({}));
        assert_eq!(replacement(&changes, Section::Tags), json!({"site":{"a":1},"n":2}));
    }
}
