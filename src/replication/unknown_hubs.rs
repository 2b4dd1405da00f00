//! Hubs that events name and that are neither of the two configured: said once, and kept for `status`.
//!
//! A wrong name of a hub in the settings shows so, with every event. Each event is a dead letter, which costs one write; that
//! there are such events is written and logged once for a name, and again only now and then. Names come from outside, so
//! their number and length are bounded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::origin;
use crate::iothub::HubSettings;
use crate::model::redacted;
use crate::storage::{Container, Precondition, StorageError};

const BLOB: &str = "unknown-hubs.json";

/// Names that one process says in [`FORGOTTEN`], and that are kept.
const NAMES: usize = 8;

/// The longest name that is shown, in characters.
const SHOWN: usize = 80;

/// How often a name that goes on coming is written down again.
const AGAIN: Duration = Duration::from_secs(600);

/// When a process says a name again that has not come meanwhile.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// How long after its last event a hub is shown.
const OF_INTEREST: SignedDuration = SignedDuration::from_hours(24);

/// Rounds of compare-and-swap.
const ROUNDS: u32 = 4;

/// A hub that events name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnknownHub {
    /// Its name as the first of these events says it, without keys and cut to a bound; none where events name no hub.
    pub name: Option<String>,
    /// The names of the primary and the secondary hub, as the settings had them then.
    pub expected: [String; 2],
    /// When it was first heard of.
    pub first_heard: Timestamp,
    /// When it was last heard of, to ten minutes.
    pub last_heard: Timestamp,
}

impl UnknownHub {
    /// What came and what was expected, and what to do about it.
    pub fn in_words(&self) -> String {
        let [primary, secondary] = &self.expected;
        let of = self
            .name
            .as_ref()
            .map_or_else(|| "that name no hub".to_owned(), |name| format!("of hub {name:?}"));
        format!(
            "events {of} come in, and the two hubs are called {primary:?} and {secondary:?} here: nothing of these events \
             is applied, they are kept as dead letters. If it is one of the two, set HADR_HUB1_NAME or HADR_HUB2_NAME to \
             the name that its events have"
        )
    }

    fn is_of(&self, name: Option<&str>) -> bool {
        key(self.name.as_deref()) == key(name)
    }
}

/// A hub's name as it may be shown: without keys, on one line, and not too long.
pub(super) fn shown(name: &str) -> String {
    redacted(name).chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}

/// The two configured names. Whatever was set as one is shown with the same care.
fn expected(primary: &HubSettings, secondary: &HubSettings) -> [String; 2] {
    [shown(&primary.name), shown(&secondary.name)]
}

/// Names that mean one hub.
fn key(name: Option<&str>) -> Option<String> {
    name.map(origin::label)
}

/// The unknown hubs in storage, and those that this process has said.
#[derive(Debug)]
pub(super) struct UnknownHubs {
    container: Container,
    expected: [String; 2],
    said: Mutex<HashMap<Option<String>, Instant>>,
}

/// What is to be done about a name that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It is new here: say it, and write it down.
    Say,
    /// Write down that it goes on.
    Write,
    /// It is known, or there are too many.
    Nothing,
}

impl UnknownHubs {
    pub(super) fn new(container: Container, primary: &HubSettings, secondary: &HubSettings) -> Self {
        let expected = expected(primary, secondary);
        Self { container, expected, said: Mutex::default() }
    }

    /// Says and keeps these names, each as [`shown`] gives it. What storage does not take is tried with the next event: the
    /// events themselves are dead letters.
    pub(super) async fn heard(&self, names: &[Option<String>]) {
        for name in names {
            let next = self.next(name.as_deref(), Instant::now());
            if next == Next::Nothing {
                continue;
            }
            let now = Timestamp::now();
            let expected = self.expected.clone();
            let hub = UnknownHub { name: name.clone(), expected, first_heard: now, last_heard: now };
            if next == Next::Say {
                tracing::error!("{}", hub.in_words());
            }
            if let Err(error) = keep(&self.container, hub).await {
                tracing::debug!(?error, "an unknown hub was not written down");
            }
        }
    }

    fn next(&self, name: Option<&str>, now: Instant) -> Next {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, written| now.duration_since(*written) < FORGOTTEN);
        let is_full = said.len() >= NAMES;
        match said.get_mut(&key(name)) {
            Some(written) if now.duration_since(*written) < AGAIN => Next::Nothing,
            Some(written) => {
                *written = now;
                Next::Write
            }
            None if is_full => Next::Nothing,
            None => {
                said.insert(key(name), now);
                Next::Say
            }
        }
    }
}

async fn keep(container: &Container, hub: UnknownHub) -> Result<(), StorageError> {
    for _ in 0..ROUNDS {
        let before = container.get(BLOB).await?;
        let all = before.as_ref().map(|blob| read(&blob.bytes)).unwrap_or_default();
        let bytes =
            serde_json::to_vec(&with(all, hub.clone())).map_err(|e| StorageError::Rejected(e.to_string()))?;
        let precondition = before.map_or(Precondition::Absent, |blob| Precondition::At(blob.etag));
        match container.put(BLOB, Bytes::from(bytes), precondition).await {
            Err(StorageError::Conflict) => {}
            put => return put.map(|_| ()),
        }
    }
    Err(StorageError::Conflict)
}

/// What cannot be read is written anew.
fn read(bytes: &[u8]) -> Vec<UnknownHub> {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// With this one, newest first.
fn with(all: Vec<UnknownHub>, mut hub: UnknownHub) -> Vec<UnknownHub> {
    let (same, mut others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| one.is_of(hub.name.as_deref()));
    if let Some(before) = same.into_iter().next() {
        (hub.name, hub.first_heard) = (before.name, before.first_heard);
    }
    others.insert(0, hub);
    others.truncate(NAMES);
    others
}

/// Hubs that events of the last day named, and that are neither of these two.
///
/// # Errors
/// When storage gives no answer.
pub async fn unknown_hubs(
    container: &Container,
    primary: &HubSettings,
    secondary: &HubSettings,
    now: Timestamp,
) -> Result<Vec<UnknownHub>, StorageError> {
    let all = container.get(BLOB).await?.map(|blob| read(&blob.bytes)).unwrap_or_default();
    let is_unknown = |hub: &UnknownHub| origin::whose(hub.name.as_deref(), primary, secondary).is_none();
    let is_recent = |hub: &UnknownHub| now.duration_since(hub.last_heard) < OF_INTEREST;
    Ok(all
        .into_iter()
        .filter(|hub| is_unknown(hub) && is_recent(hub))
        .map(|hub| UnknownHub { expected: expected(primary, secondary), ..hub })
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn heard(name: &str, second: i64) -> UnknownHub {
        let at = Timestamp::from_second(second).unwrap();
        let expected = ["west".to_owned(), "east".to_owned()];
        UnknownHub { name: Some(name.to_owned()), expected, first_heard: at, last_heard: at }
    }

    #[test]
    fn one_hub_is_kept_once_however_its_name_is_written_and_the_newest_stay() {
        let all = (0..20).fold(Vec::new(), |all, n| with(all, heard(&format!("h{n}"), n)));
        let names: Vec<_> = all.iter().flat_map(|hub| hub.name.clone()).collect();
        assert_eq!(names, ["h19", "h18", "h17", "h16", "h15", "h14", "h13", "h12"]);
        let again = with(all, heard("H12.azure-devices.net", 99));
        assert_eq!(again.len(), NAMES);
        assert_eq!(
            again.first().unwrap(),
            &UnknownHub { last_heard: heard("", 99).last_heard, ..heard("h12", 12) }
        );
    }

    #[test]
    fn a_name_is_shown_on_one_line_without_keys_and_cut() {
        let long = format!("a\nb SharedAccessKey=abc;{}", "x".repeat(1_000));
        let shown = shown(&long);
        assert!(shown.starts_with("a b SharedAccessKey=(removed);xxx") && shown.len() == SHOWN, "{shown}");
    }
}
