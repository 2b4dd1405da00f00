//! One event as the event log serves it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::json::Json;

/// An event of one partition. Members keep their order.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    pub(crate) sequence_number: i64,
    pub(crate) offset: String,
    #[serde(deserialize_with = "timestamp")]
    pub(crate) enqueued_time_utc: Timestamp,
    #[serde(default)]
    pub(crate) partition_key: Option<String>,
    /// Base64 of the event's bytes.
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) properties: Json,
    #[serde(default)]
    pub(crate) system_properties: Json,
}

impl Event {
    /// The event's bytes as text; what is not UTF-8 is replaced by U+FFFD.
    pub(crate) fn text(&self) -> String {
        let bytes = STANDARD.decode(&self.body).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// The answer of the event log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    /// -1 or absent while the partition is empty.
    #[serde(default)]
    pub(super) last_sequence_number: Option<i64>,
    pub(super) events: Vec<Event>,
}
