//! Keys in JSON, and in JSON inside strings.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::text::{self, REMOVED, is_name_of_a_key};
use crate::model::Object;

/// JSON inside strings, and text inside base64, is followed so deep.
const LEVELS: u8 = 8;

/// JSON that is deeper than any twin (ten levels, documented) is looked through as text: a stack has an end.
const DEEPEST: usize = 32;

/// No key with its name is shorter in base64.
const SHORTEST_BASE64: usize = 12;

/// The text without keys.
pub fn redacted(text: &str) -> Cow<'_, str> {
    without_keys(text, LEVELS).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The members without keys, names included.
pub fn redacted_members(members: &Object) -> Object {
    let mut value = Value::Object(members.clone());
    clear(&mut value, false, LEVELS);
    match value {
        Value::Object(members) => members,
        _ => Object::new(),
    }
}

/// An event's body as text without keys; `None` when there is none in it, and the bytes may be kept as they are.
pub fn redacted_body(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    // Text of two bytes a character is text with zeros between.
    let narrow = text.contains('\0').then(|| text.replace('\0', ""));
    narrow.and_then(|narrow| without_keys(&narrow, LEVELS)).or_else(|| without_keys(&text, LEVELS))
}

/// `None` when there is nothing to remove.
fn without_keys(text: &str, levels: u8) -> Option<String> {
    if let Some(below) = levels.checked_sub(1) {
        if let Some(mut value) = document(text)
            && clear(&mut value, false, below)
        {
            return Some(value.to_string());
        }
        if decoded(text).is_some_and(|inner| without_keys(&inner, below).is_some()) {
            return Some(REMOVED.to_owned());
        }
    }
    // Also of JSON: of two members of one name only the last is a value.
    text::without_keys(text)
}

/// JSON that may hold strings.
fn document(text: &str) -> Option<Value> {
    let text = text.trim_start_matches('\u{feff}').trim();
    (text.starts_with(['{', '[', '"']) && !is_deep(text)).then(|| serde_json::from_str(text).ok())?
}

/// Whether objects and arrays stand deeper in each other than [`DEEPEST`].
fn is_deep(text: &str) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

/// What a text in base64 stands for, when that is a text as well.
fn decoded(text: &str) -> Option<String> {
    let bytes = (text.len() >= SHORTEST_BASE64).then(|| STANDARD.decode(text).ok())??;
    String::from_utf8(bytes).ok()
}

/// Clears a value in place; whether anything was removed. Under the name of a key every text and number is one.
fn clear(value: &mut Value, is_key: bool, levels: u8) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(_) if !is_key => false,
        Value::String(text) if !is_key => match without_keys(text, levels) {
            None => false,
            Some(cleared) => {
                *text = cleared;
                true
            }
        },
        Value::String(text) if text.is_empty() || text == REMOVED => false,
        Value::String(_) | Value::Number(_) => {
            *value = REMOVED.into();
            true
        }
        Value::Array(items) => {
            items.iter_mut().fold(false, |cleared, item| clear(item, is_key, levels) | cleared)
        }
        Value::Object(members) => clear_members(members, is_key, levels),
    }
}

fn clear_members(members: &mut Object, is_key: bool, levels: u8) -> bool {
    let mut cleared = false;
    let all = std::mem::take(members);
    for (name, mut value) in all {
        cleared |= clear(&mut value, is_key || is_name_of_a_key(&name), levels);
        let shown = without_keys(&name, levels);
        cleared |= shown.is_some();
        members.insert(shown.unwrap_or(name), value);
    }
    cleared
}
