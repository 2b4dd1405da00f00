//! Objects as text.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// An object as JSON text, which keeps numbers as they were written; no text for no members.
#[derive(Serialize, Deserialize)]
pub(super) struct Members<'a>(#[serde(borrow)] Cow<'a, str>);

impl Members<'_> {
    pub(super) fn pack(members: &Map<String, Value>) -> Self {
        if members.is_empty() {
            return Self(Cow::Borrowed(""));
        }
        Self(Cow::Owned(serde_json::to_string(members).unwrap_or_default()))
    }

    pub(super) fn unpack(&self) -> Option<Map<String, Value>> {
        if self.0.is_empty() { Some(Map::new()) } else { serde_json::from_str(&self.0).ok() }
    }
}
