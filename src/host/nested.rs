//! Values that the host may have put into a string as JSON text.
//!
//! The host sends objects as they are and everything else, arrays above all, as a JSON string whose
//! content is JSON (read in its source). Its documentation shows some of them not so wrapped, so
//! both forms are taken.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::Object;

/// The reader of JSON hands a number on as an object whose first member is called so, and takes each such object for a
/// number. Properties are named by whoever sends, and one that is named so must not make all others unreadable.
const NUMBER: &str = "$serde_json::private::";

/// Reads JSON whatever its members are called.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|error| match text.contains(NUMBER) {
        true => serde_json::from_str(&text.replace(NUMBER, "$")),
        false => Err(error),
    })
}

/// The array under `key`; empty when it is not there or is no array.
pub(super) fn take_array(metadata: &mut Object, key: &str) -> Vec<Value> {
    match take(metadata, key) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

/// The object under `key`; empty when it is not there or is no object.
pub(super) fn take_object(metadata: &mut Object, key: &str) -> Object {
    into_object(take(metadata, key))
}

/// The value under `key`, out of its string where it is in one.
pub(super) fn take(metadata: &mut Object, key: &str) -> Option<Value> {
    metadata.remove(key).map(unwrapped)
}

/// The JSON that a string holds, or the value itself.
pub(super) fn unwrapped(value: Value) -> Value {
    match value {
        Value::String(text) => read(&text).unwrap_or(Value::String(text)),
        value => value,
    }
}

/// An object's members; of anything else, none.
pub(super) fn into_object(value: Option<Value>) -> Object {
    match value {
        Some(Value::Object(members)) => members,
        _ => Object::new(),
    }
}

/// A text member of an object; empty when it is not there.
pub(super) fn text(members: &Object, key: &str) -> String {
    members.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
