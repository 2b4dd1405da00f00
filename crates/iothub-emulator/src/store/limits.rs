//! What tags and properties may contain (documented limits).

use serde_json::{Map, Number, Value};

use super::merge::merge;
use crate::error::HubError;

/// Most bytes of tags.
pub(super) const TAGS_BYTES: usize = 8 * 1024;
/// Most bytes of desired, and of reported properties.
pub(super) const PROPERTIES_BYTES: usize = 32 * 1024;
/// Deepest nesting of objects.
const DEPTH: usize = 10;
/// Longest key in UTF-8 bytes.
const KEY_BYTES: usize = 1024;
/// Longest string in UTF-8 bytes.
const STRING_BYTES: usize = 4 * 1024;
/// Integers lie between these.
const INTEGERS: std::ops::RangeInclusive<i64> = -4_503_599_627_370_496..=4_503_599_627_370_495;

/// What a section that somebody sent may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Whether `null` may stand for deletion.
    pub(super) nulls: Nulls,
    /// Whether integers of any size are taken.
    pub(super) any_integer: bool,
}

/// Whether `null` may stand for deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// In a patch.
    Delete,
    /// In a replacement.
    Refused,
}

/// Checks the members of a section that somebody sent.
pub(super) fn check(members: &Map<String, Value>, rules: Rules) -> Result<(), HubError> {
    members_fit(members, rules, 1)
}

fn members_fit(members: &Map<String, Value>, rules: Rules, depth: usize) -> Result<(), HubError> {
    if depth > DEPTH {
        return Err(HubError::invalid(format!(
            "Properties and tags may be nested {DEPTH} levels deep at most"
        )));
    }
    members.iter().try_for_each(|(key, value)| {
        check_key(key)?;
        match value {
            Value::Null if rules.nulls == Nulls::Refused => {
                Err(HubError::invalid(format!("'{key}' must not be null")))
            }
            Value::Null => Ok(()),
            other => value_fits(other, rules, depth),
        }
    })
}

fn value_fits(value: &Value, rules: Rules, depth: usize) -> Result<(), HubError> {
    match value {
        Value::Null => Err(HubError::invalid("arrays must not contain null")),
        Value::Bool(_) => Ok(()),
        Value::Number(_) if rules.any_integer => Ok(()),
        Value::Number(number) => check_number(number),
        Value::String(text) if text.len() > STRING_BYTES => {
            Err(HubError::invalid(format!("strings may have {STRING_BYTES} bytes at most")))
        }
        Value::String(_) => Ok(()),
        Value::Array(items) => {
            let rules = Rules { nulls: Nulls::Refused, ..rules };
            items.iter().try_for_each(|item| value_fits(item, rules, depth))
        }
        Value::Object(members) => members_fit(members, rules, depth + 1),
    }
}

fn check_key(key: &str) -> Result<(), HubError> {
    let bad = |c: char| c.is_control() || matches!(c, '.' | '$' | '#' | ' ');
    if key.is_empty() || key.len() > KEY_BYTES || key.chars().any(bad) {
        return Err(HubError::invalid(format!(
            "Property or Tag name has invalid characters. Error in Property/Tag {key}. Must not contain Control \
             Characters, '.', '$', '#', or ' '."
        )));
    }
    Ok(())
}

fn check_number(number: &Number) -> Result<(), HubError> {
    let text = number.as_str();
    let fraction = text.contains(['.', 'e', 'E']);
    if fraction || number.as_i64().is_some_and(|value| INTEGERS.contains(&value)) {
        return Ok(());
    }
    Err(HubError::invalid(format!("The integer {text} is out of range")))
}

/// Checks that a merged section stays within its size, or at least does not grow.
pub(super) fn check_size(
    old: &Map<String, Value>,
    patch: &Map<String, Value>,
    limit: usize,
    what: &str,
) -> Result<(), HubError> {
    let before = size(old);
    if before + size(patch) <= limit {
        return Ok(());
    }
    let mut merged = old.clone();
    merge(&mut merged, patch);
    let after = size(&merged);
    if after <= limit || after <= before {
        return Ok(());
    }
    Err(too_large(what, limit))
}

/// Checks that a replacement stays within the size of a section.
pub(super) fn check_whole(members: &Map<String, Value>, limit: usize, what: &str) -> Result<(), HubError> {
    if size(members) <= limit { Ok(()) } else { Err(too_large(what, limit)) }
}

fn too_large(what: &str, limit: usize) -> HubError {
    HubError::invalid(format!("{what} may have {limit} bytes at most"))
}

/// The documented count: keys and strings by their UTF-8 bytes, of strings without control characters, numbers 8,
/// booleans 4.
fn size(members: &Map<String, Value>) -> usize {
    members.iter().map(|(key, value)| key.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum(),
        Value::Array(items) => items.iter().map(value_size).sum(),
        Value::Object(members) => size(members),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn verdict(value: Value, nulls: Nulls) -> bool {
        check(value.as_object().unwrap(), Rules { nulls, any_integer: false }).is_ok()
    }

    #[test]
    fn keys_with_dots_dollars_hashes_spaces_or_control_characters_are_refused() {
        for key in ["a.b", "$a", "a#", "a b", "a\u{7}", "a\u{85}", ""] {
            assert!(!verdict(json!({ key: 1 }), Nulls::Delete), "{key}");
        }
        assert!(verdict(json!({"ключ-1_é": 1}), Nulls::Delete));
    }

    #[test]
    fn null_deletes_in_a_patch_but_not_in_a_replacement_or_an_array() {
        assert!(verdict(json!({"a": {"b": null}}), Nulls::Delete));
        assert!(!verdict(json!({"a": {"b": null}}), Nulls::Refused));
        assert!(!verdict(json!({"a": [1, null]}), Nulls::Delete));
    }

    #[test]
    fn integers_have_53_bits_and_fractions_are_free() {
        assert!(verdict(json!({"a": 4_503_599_627_370_495_i64}), Nulls::Delete));
        assert!(!verdict(json!({"a": 4_503_599_627_370_496_i64}), Nulls::Delete));
        assert!(!verdict(serde_json::from_str(r#"{"a": 99999999999999999999999}"#).unwrap(), Nulls::Delete));
        assert!(verdict(serde_json::from_str(r#"{"a": 1.5e300}"#).unwrap(), Nulls::Delete));
        let large = json!({"a": 5_283_920_058_631_410_000_i64});
        let rules = Rules { nulls: Nulls::Delete, any_integer: true };
        assert!(check(large.as_object().unwrap(), rules).is_ok());
    }

    #[test]
    fn ten_levels_are_allowed_and_eleven_are_not() {
        let nested = |levels: usize| (1..levels).fold(json!({"a": 1}), |inner, _| json!({ "a": inner }));
        assert!(verdict(nested(10), Nulls::Delete));
        assert!(!verdict(nested(11), Nulls::Delete));
    }

    #[test]
    fn sizes_are_counted_as_documented() {
        let size_of = |value: Value| size(value.as_object().unwrap());
        assert_eq!(
            size_of(json!({"key": "five5", "n": 1.5, "b": true, "z": null})),
            3 + 5 + 1 + 8 + 1 + 4 + 1
        );
        assert_eq!(size_of(json!({"ключ": {"inner": ["ab", 1, {"x": "é"}]}})), 8 + 5 + 2 + 8 + 1 + 2);
        assert_eq!(size_of(json!({"c": "a\tb\u{85}\u{7f}"})), 1 + 2);
    }

    #[test]
    fn strings_and_keys_have_their_limits_in_bytes() {
        assert!(verdict(json!({"a": "x".repeat(4096)}), Nulls::Delete));
        assert!(!verdict(json!({"a": format!("{}é", "x".repeat(4095))}), Nulls::Delete));
        assert!(!verdict(json!({"a": ["x".repeat(4097)]}), Nulls::Delete));
        assert!(verdict(json!({"k".repeat(1024): 1}), Nulls::Delete));
        assert!(!verdict(json!({"k".repeat(1025): 1}), Nulls::Delete));
    }

    #[test]
    fn a_section_over_its_limit_may_shrink_but_not_grow() {
        let old = json!({"a": "x".repeat(50), "b": "y"});
        let old = old.as_object().unwrap();
        let patch = |value: Value| check_size(old, value.as_object().unwrap(), 40, "tags").is_ok();
        assert!(patch(json!({"b": null})));
        assert!(!patch(json!({"c": "z"})));
    }
}
