//! What there is to be seen at one moment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Happened;

/// What there is to be seen at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moment {
    /// When.
    pub(crate) at: Timestamp,
    /// What `iot-hadr status --json` prints.
    pub(crate) status: Value,
    /// How many identities are pending, by reason.
    pub(crate) pending: BTreeMap<String, usize>,
    /// The role of the hub that each device is connected to; nothing for none.
    pub(crate) devices: BTreeMap<String, Option<String>>,
    /// What came to pass lately.
    pub(crate) happened: Happened,
}

impl Moment {
    /// As the page reads it.
    pub(crate) fn to_json(&self) -> String {
        let Self { at, status, pending, devices, happened } = self;
        json!({"at": at, "status": status, "pending": pending, "devices": devices, "happened": happened.newest_first()})
            .to_string()
    }

    /// How many identities are pending for each reason, of what `pending list --json` prints.
    pub(crate) fn by_reason(pending: &[Value]) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for note in pending {
            let reason = note.get("reason").and_then(Value::as_str).unwrap_or("malformed");
            *counts.entry(reason.to_owned()).or_default() += 1;
        }
        counts
    }
}

/// Whether two moments differ in more than the time.
pub(super) fn differs(one: &str, other: &str) -> bool {
    let timeless = |text: &str| {
        let mut moment: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        moment.remove("at");
        moment
    };
    timeless(one) != timeless(other)
}
