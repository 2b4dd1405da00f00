//! The properties of an event, as the Functions host gives them.

use serde_json::Value;

use crate::model::Object;

/// Application properties and system properties.
///
/// The system properties are the hub's own stamps: no device can write one (documented). Application properties are
/// whatever the hub, a device, an enrichment or a subscription put there; they count only where no stamp says the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Properties<'a> {
    pub(crate) application: &'a Object,
    pub(crate) system: &'a Object,
}

/// What the hub stamped under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp<'a> {
    /// Nothing.
    None,
    /// This.
    Text(&'a str),
    /// Something that the host did not give as a text.
    Unreadable,
}

impl<'a> Properties<'a> {
    /// What the hub stamped under this name.
    pub(crate) fn stamp(&self, name: &str) -> Stamp<'a> {
        match member(self.system, name) {
            None | Some(Value::Null) => Stamp::None,
            Some(Value::String(text)) if text.trim().is_empty() => Stamp::None,
            Some(Value::String(text)) => Stamp::Text(text.trim()),
            Some(_) => Stamp::Unreadable,
        }
    }

    /// An application property that is a text and not empty.
    pub(crate) fn application(&self, name: &str) -> Option<&'a str> {
        text(self.application, name)
    }

    /// Whether Event Grid delivered it: it says so with every event (observed).
    pub(crate) fn is_from_event_grid(&self) -> bool {
        let is_its = |name: &String| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aeg-"));
        self.application.keys().any(is_its)
    }
}

/// A member by its name or, failing that, by its name in another case.
fn member<'a>(members: &'a Object, name: &str) -> Option<&'a Value> {
    let any_case = || members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    members.get(name).or_else(any_case)
}

/// A member that is a text and not empty, by its name or, failing that, by its name in another case.
pub(crate) fn text<'a>(members: &'a Object, name: &str) -> Option<&'a str> {
    member(members, name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A member that is an object, by its name.
pub(crate) fn object<'a>(members: &'a Object, name: &str) -> Option<&'a Object> {
    members.get(name).and_then(Value::as_object)
}
