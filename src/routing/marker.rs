//! Marks on the app's own identities. A mark is a change of a probe's twin; its event comes through the same route and
//! partition as all that its hub said before, so when it has been applied, all that has been, too.
//!
//! A passing identity is made and removed at once: its id is the mark, and its events show that creations and deletions
//! come through.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::HubRole;
use crate::model::{DeviceId, Object, PROBE_PREFIX, TwinWrites};

/// The tag that holds it.
const TAG: &str = "marker";

/// Ids of passing identities begin so, after the prefix of all that the app makes for itself.
const PASSING: &str = "check-";

/// What happened to one of the app's own identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MarkKind {
    /// A probe's twin was changed.
    Twin,
    /// A passing identity was created.
    Created,
    /// A passing identity was deleted.
    Deleted,
}

/// A mark that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The hub whose event it is.
    pub hub: HubRole,
    /// What its event tells.
    pub kind: MarkKind,
    /// When it was made, on the clock of who made it.
    pub at: Timestamp,
}

impl Marker {
    /// The merge patch that makes a mark.
    pub fn patch(at: Timestamp) -> Object {
        let tags = json!({ TAG: at.to_string() });
        [("tags".to_owned(), tags)].into_iter().collect()
    }

    /// The mark that an event of a probe's twin carries, if any.
    pub fn read(hub: HubRole, writes: &TwinWrites) -> Option<Self> {
        let mut tags = Object::new();
        writes.tags.apply_to(&mut tags);
        let at = tags.get(TAG).and_then(Value::as_str)?.parse().ok()?;
        Some(Self { hub, kind: MarkKind::Twin, at })
    }

    /// The mark that the creation or deletion of this identity is, if it is a passing one.
    pub fn of_passing(hub: HubRole, kind: MarkKind, device: &DeviceId) -> Option<Self> {
        let number = device.as_str().strip_prefix(PROBE_PREFIX)?.strip_prefix(PASSING)?;
        let at = Timestamp::from_millisecond(number.parse().ok()?).ok()?;
        Some(Self { hub, kind, at })
    }

    /// The id of the passing identity of this moment, to the millisecond.
    pub fn passing(at: Timestamp) -> Option<DeviceId> {
        format!("{PROBE_PREFIX}{PASSING}{}", at.as_millisecond()).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::SectionWrites;

    #[test]
    fn a_mark_is_read_from_the_event_that_it_causes() {
        let at: Timestamp = "2026-11-24T01:00:00.5Z".parse().unwrap();
        let patch = Marker::patch(at);
        let tags = SectionWrites::from_patch(patch.get("tags").unwrap().as_object().unwrap(), None);
        let writes = TwinWrites { tags, ..TwinWrites::default() };
        let mark = Marker { hub: HubRole::Primary, kind: MarkKind::Twin, at };
        assert_eq!(Marker::read(HubRole::Primary, &writes), Some(mark));
        assert_eq!(Marker::read(HubRole::Primary, &TwinWrites::default()), None);
    }

    #[test]
    fn the_id_of_a_passing_identity_says_when_it_was_made_and_no_other_probe_s_does() {
        let at: Timestamp = "2026-11-24T01:00:00.5Z".parse().unwrap();
        let id = Marker::passing(at).unwrap();
        assert!(id.is_probe());
        let kind = MarkKind::Deleted;
        let mark = Marker { hub: HubRole::Secondary, kind, at };
        assert_eq!(Marker::of_passing(HubRole::Secondary, kind, &id), Some(mark));
        for other in
            ["hadr-probe-1", "hadr-probe-check-", "hadr-probe-check-x", "check-1", "hadr-probe-nobody"]
        {
            assert_eq!(
                Marker::of_passing(HubRole::Secondary, kind, &other.parse().unwrap()),
                None,
                "{other}"
            );
        }
    }
}
