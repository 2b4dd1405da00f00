//! Documents with text that is none: half of a surrogate pair (`"\ud800"`), or bytes that are no UTF-8.
//!
//! A hub takes and gives such text (reported of clients that cut strings in two), and a reader of text refuses the whole
//! document for it. The members that hold it cannot be copied; all else of the document can.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::Value;

use crate::model::{NO_NAME, Path};

/// The document without the members that hold such text, or are named so, and the paths of these. Of an array, it is the
/// member that the array is.
pub(super) fn parse(body: &[u8]) -> serde_json::Result<(Value, Vec<Path>)> {
    match serde_json::from_slice(body) {
        Ok(value) => Ok((value, Vec::new())),
        Err(error) => without_unreadable(body).unwrap_or(Err(error)),
    }
}

fn without_unreadable(body: &[u8]) -> Option<serde_json::Result<(Value, Vec<Path>)>> {
    // Nobody can have written it into the document.
    let mark = format!("{:032x}", rand::random::<u128>());
    let marked = marked(body, &mark)?;
    let (mut paths, document) = (Vec::new(), serde_json::from_slice(&marked));
    Some(document.map(|mut document| {
        take_out(&mut document, &mark, &mut Path::new(), &mut paths);
        (document, paths)
    }))
}

/// The document with `mark` in the place of each text that is none; `None` when there is no such text.
fn marked(body: &[u8], mark: &str) -> Option<Vec<u8>> {
    let (mut marked, mut rest, mut found) = (Vec::with_capacity(body.len()), body, false);
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        let (before, from) = rest.split_at_checked(start)?;
        let (literal, after) = from.split_at_checked(length(from)?)?;
        marked.extend(before);
        match is_half_text(literal) {
            false => marked.extend(literal),
            true => {
                marked.extend(format!("\"{mark}\"").bytes());
                found = true;
            }
        }
        rest = after;
    }
    marked.extend(rest);
    found.then_some(marked)
}

/// Of a string literal, its quotes included.
fn length(from: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    let ends = |(_, byte): &(usize, &u8)| {
        let ends = **byte == b'"' && !is_escaped;
        is_escaped = **byte == b'\\' && !is_escaped;
        ends
    };
    from.iter().enumerate().skip(1).find(ends).map(|(end, _)| end + 1)
}

/// Whether a string literal is well formed but for its text.
fn is_half_text(literal: &[u8]) -> bool {
    serde_json::from_slice::<String>(literal).is_err() && serde_json::from_slice::<AnyText>(literal).is_ok()
}

/// Bytes of a string literal, text or not.
struct AnyText;

impl<'de> Deserialize<'de> for AnyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Self)
    }
}

impl Visitor<'_> for AnyText {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Self, E> {
        Ok(self)
    }
}

fn take_out(value: &mut Value, mark: &str, path: &mut Path, paths: &mut Vec<Path>) {
    match value {
        Value::Object(members) => members.retain(|name, value| {
            let is_named = name != mark;
            path.push(if is_named { name.clone() } else { NO_NAME.to_owned() });
            let is_readable = is_named && !(is_whole(value) && holds(value, mark));
            match is_readable {
                true => take_out(value, mark, path, paths),
                false => paths.push(path.clone()),
            }
            path.pop();
            is_readable
        }),
        // The rows of a listing are documents of their own.
        Value::Array(rows) if path.is_empty() => {
            rows.iter_mut().for_each(|row| take_out(row, mark, path, paths));
        }
        _ => {}
    }
}

/// Whether a hub writes it as one.
fn is_whole(value: &Value) -> bool {
    !value.is_object()
}

fn holds(value: &Value, mark: &str) -> bool {
    match value {
        Value::String(text) => text == mark,
        Value::Array(items) => items.iter().any(|item| holds(item, mark)),
        Value::Object(members) => members.iter().any(|(name, value)| name == mark || holds(value, mark)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Value, Vec<String>) {
        let (value, paths) = parse(text.as_bytes()).unwrap();
        (value, paths.iter().map(|path| path.join("/")).collect())
    }

    #[test]
    fn a_member_with_half_a_surrogate_pair_is_taken_out_and_named_and_all_else_stays() {
        let table = [
            (r#"{"a":"\ud800","b":1.50}"#, json!({"b": 1}), vec!["a"]),
            (r#"{"a":{"x":"\udfff\ud83d","y":"\ud83d\ude00"}}"#, json!({"a": {"y": "😀"}}), vec!["a/x"]),
            (r#"{"a":["z",{"x":["\uD800"]}],"b":[1]}"#, json!({"b": [1]}), vec!["a"]),
            (r#"{"\ud800":{"x":1},"b":"\\ud800"}"#, json!({"b": "\\ud800"}), vec!["\u{fffd}"]),
            (r#"{"a":"\"\ud800\\","b":"\\"}"#, json!({"b": "\\"}), vec!["a"]),
            (r#"[{"a":"\ud800"},{"a":2}]"#, json!([{}, {"a": 2}]), vec!["a"]),
        ];
        for (text, expected, paths) in table {
            let (value, found) = read(text);
            assert_eq!(found, paths, "{text}");
            assert_eq!(value.to_string().replace("1.50", "1"), expected.to_string(), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_the_same() {
        let (value, paths) = parse(b"{\"a\":\"\xed\xa0\x80\",\"b\":\"c\"}").unwrap();
        assert_eq!((value, paths), (json!({"b": "c"}), vec![vec!["a".to_owned()]]));
    }

    #[test]
    fn what_is_not_json_for_another_reason_stays_so() {
        for text in ["", "{", r#"{"a":"\ud800""#, r#"{"a":"\x"}"#, r#"{"a":"\ud8"}"#, r#"{"a" "\ud800"}"#] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    fn document() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["\\PC{0,8}", Just("\\ud800".to_owned()), Just("\"".to_owned())];
        let leaf = prop_oneof![text.clone().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            let members = prop::collection::btree_map(text.clone(), inner.clone(), 0..4);
            prop_oneof![
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
                prop::collection::vec(inner, 0..3).prop_map(Value::from),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_else_is_changed(readable in document(), name in "[a-z]{1,3}") {
            let text = format!(r#"{{"readable":{readable},"other":{{"{name}":"\udc00"}}}}"#);
            let (value, paths) = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(value, json!({"readable": readable, "other": {}}));
            prop_assert_eq!(paths, vec![vec!["other".to_owned(), name]]);
        }
    }
}
