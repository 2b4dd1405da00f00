//! Where settings come from.

use std::collections::BTreeMap;

/// Environment variables.
pub type Environment = BTreeMap<String, String>;

/// A variable's value; an empty one counts as not set.
pub(super) fn given<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}
