//! How far each identity has followed its source, so that the carried path never goes back.
//!
//! An owed note remembers that too, but it is cleared when the source was read; a batch that comes
//! again after that, with the source gone, would bring old values over newer ones.

use std::sync::{Mutex, PoisonError};

use super::bounded::{Bounded, Fingerprints};
use super::owed::Position;
use crate::model::IdentityId;

/// Identities and partitions remembered per process: batches come again soon or not at all.
const REMEMBERED: usize = 4_096;

/// Bounded memory of the newest events that were worked off with the source at hand.
#[derive(Debug)]
pub(crate) struct Followed {
    prints: Fingerprints,
    newest: Mutex<Bounded<Option<i64>>>,
}

impl Default for Followed {
    fn default() -> Self {
        Self { prints: Fingerprints::default(), newest: Mutex::new(Bounded::new(REMEMBERED)) }
    }
}

impl Followed {
    /// The standby was made equal when this event was the newest of its partition.
    pub(crate) fn reached(&self, id: &IdentityId, at: &Position) {
        let Some(sequence) = at.sequence else { return };
        let key = self.prints.of(&(id, &at.log));
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.change(key, |newest| *newest = (*newest).max(Some(sequence)));
    }

    /// Whether this event, or a later one of its partition, was worked off so.
    pub(crate) fn is_past(&self, id: &IdentityId, at: &Position) -> bool {
        let key = self.prints.of(&(id, &at.log));
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = newest.get(key).copied().flatten();
        at.sequence.is_some_and(|sequence| newest.is_some_and(|newest| sequence <= newest))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn events_up_to_the_newest_one_of_the_same_identity_and_partition_are_past() {
        let followed = Followed::default();
        let at = |log: &str, sequence| Position { log: log.to_owned(), sequence };
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        followed.reached(&a, &at("devicetwin/0", Some(7)));
        followed.reached(&a, &at("devicetwin/0", Some(5)));
        assert!(followed.is_past(&a, &at("devicetwin/0", Some(7))));
        for other in [at("devicetwin/0", Some(8)), at("devicetwin/1", Some(1)), at("devicetwin/0", None)] {
            assert!(!followed.is_past(&a, &other));
        }
        assert!(!followed.is_past(&b, &at("devicetwin/0", Some(1))));
    }
}
