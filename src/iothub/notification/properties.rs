//! The properties of an event, as the Functions host gives them.

use serde_json::Value;

use crate::model::Object;

/// Application properties (set by the hub's routing) and system properties (the message's own).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Properties<'a> {
    pub(crate) application: &'a Object,
    pub(crate) system: &'a Object,
}

impl<'a> Properties<'a> {
    /// From the application's properties, or else from the system's; texts that are not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        text(self.application, name).or_else(|| text(self.system, name))
    }
}

/// A member that is a text and not empty, by its name or, failing that, by its name in another case.
pub(crate) fn text<'a>(members: &'a Object, name: &str) -> Option<&'a str> {
    let any_case = || members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let value = members.get(name).or_else(any_case)?;
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A member that is an object, by its name.
pub(crate) fn object<'a>(members: &'a Object, name: &str) -> Option<&'a Object> {
    members.get(name).and_then(Value::as_object)
}
