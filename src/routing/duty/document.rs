//! What a duty's blob says. No I/O, no clock.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The document of a duty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// The process that does it; none when it was given back.
    pub(super) holder: Option<String>,
    /// Since when, on the holder's clock; informative only.
    pub(super) since: Timestamp,
    /// Different for every time that somebody takes it.
    pub(super) term: String,
    /// How often it was renewed in this term; informative only.
    pub(super) renewed: u64,
    /// Different for every write, so that one's own is recognised.
    pub(super) nonce: String,
    /// How long it is held after a write.
    pub(super) lease_milliseconds: u64,
    /// How far the work is, in its own words.
    #[serde(default)]
    pub(super) cursor: Value,
}

/// A number that no other write has.
pub(super) fn number() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl Document {
    /// The document of these bytes. What cannot be read counts as held by somebody for `lease`, and
    /// can then be taken: it must not keep a duty from being done for ever.
    pub(super) fn read(bytes: &[u8], lease: Duration) -> Self {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Self {
            holder: Some("somebody who cannot be read".to_owned()),
            since: Timestamp::UNIX_EPOCH,
            term: String::new(),
            renewed: 0,
            nonce: String::new(),
            lease_milliseconds: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
            cursor: Value::Null,
        })
    }

    /// How long it is held after a write.
    pub(super) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_milliseconds)
    }

    /// The same holder, a moment later; with another cursor if there is one.
    pub(super) fn renewed(&self, cursor: Option<Value>, nonce: String) -> Self {
        let cursor = cursor.unwrap_or_else(|| self.cursor.clone());
        Self { renewed: self.renewed.saturating_add(1), nonce, cursor, ..self.clone() }
    }

    /// Free for whoever comes next, with the cursor as it is.
    pub(super) fn given_back(&self, nonce: String) -> Self {
        Self { holder: None, nonce, ..self.clone() }
    }
}
