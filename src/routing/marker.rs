//! Marks on the app's own identities. A mark is a change of a probe's twin; its event comes through the same route and
//! partition as all that its hub said before, so when it has been applied, all that has been, too.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::record::HubRole;
use crate::model::{Object, TwinWrites};

/// The tag that holds it.
const TAG: &str = "marker";

/// A mark that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The hub whose event it is.
    pub hub: HubRole,
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
        Some(Self { hub, at })
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
        assert_eq!(Marker::read(HubRole::Primary, &writes), Some(Marker { hub: HubRole::Primary, at }));
        assert_eq!(Marker::read(HubRole::Primary, &TwinWrites::default()), None);
    }
}
