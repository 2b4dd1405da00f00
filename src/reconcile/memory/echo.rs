//! What our own writes returned, so that the events they cause cost no read.

use std::sync::{Mutex, PoisonError};

use super::bounded::{Bounded, Fingerprints};
use crate::iothub::notification::{Hint, HintKind};
use crate::model::IdentityId;
use crate::routing::HubRole;

/// Identities remembered per process: an echo follows its write within seconds, so this is the
/// number of identities that may be written meanwhile. About 70 bytes each; just what fits a hash
/// table of 32,768 places.
const REMEMBERED: usize = 28_000;

/// Versions remembered per identity.
const VERSIONS: usize = 3;

/// The low half of a version: enough to tell the few versions of the last seconds apart.
fn low(version: u64) -> u32 {
    (version & u64::from(u32::MAX)) as u32
}

#[derive(Debug, Default)]
struct Entry {
    created: bool,
    deleted: bool,
    twin: [u32; VERSIONS],
    reported: [u32; VERSIONS],
    next: u8,
}

impl Entry {
    fn push(ring: &mut [u32; VERSIONS], next: &mut u8, version: u64) {
        if let Some(place) = ring.get_mut(usize::from(*next) % VERSIONS) {
            *place = low(version);
        }
        *next = next.wrapping_add(1);
    }
}

/// Bounded memory of the versions that our own writes returned.
#[derive(Debug)]
pub(crate) struct Echoes {
    prints: Fingerprints,
    entries: Mutex<Bounded<Entry>>,
}

impl Default for Echoes {
    fn default() -> Self {
        Self { prints: Fingerprints::default(), entries: Mutex::new(Bounded::new(REMEMBERED)) }
    }
}

impl Echoes {
    /// We created it.
    pub(crate) fn created(&self, hub: HubRole, id: &IdentityId) {
        self.change(hub, id, |entry| *entry = Entry { created: true, ..Entry::default() });
    }

    /// We deleted it.
    pub(crate) fn deleted(&self, hub: HubRole, id: &IdentityId) {
        self.change(hub, id, |entry| *entry = Entry { deleted: true, ..Entry::default() });
    }

    /// Our write of tags or desired gave this twin `version`.
    pub(crate) fn twin(&self, hub: HubRole, id: &IdentityId, version: u64) {
        self.change(hub, id, |entry| Entry::push(&mut entry.twin, &mut entry.next, version));
    }

    /// Our write of reported gave this reported `$version`.
    pub(crate) fn reported(&self, hub: HubRole, id: &IdentityId, version: u64) {
        self.change(hub, id, |entry| Entry::push(&mut entry.reported, &mut entry.next, version));
    }

    /// Whether this event was caused by one of our own writes.
    pub(crate) fn is_echo(&self, hub: HubRole, hint: &Hint) -> bool {
        let key = self.prints.of(&(hub, &hint.identity));
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get(key) else { return false };
        match hint.kind {
            HintKind::Created => entry.created,
            HintKind::Deleted => entry.deleted,
            HintKind::Lifecycle => false,
            HintKind::Twin { .. } => {
                let reported_only = hint.writes.tags.is_empty() && hint.writes.desired.is_empty();
                hint.version.is_some_and(|version| version > 0 && entry.twin.contains(&low(version)))
                    || (reported_only
                        && hint.reported_version.is_some_and(|v| v > 0 && entry.reported.contains(&low(v))))
            }
        }
    }

    /// Somebody else created or deleted it: counters begin again, so nothing remembered holds.
    pub(crate) fn forget(&self, hub: HubRole, id: &IdentityId) {
        let key = self.prints.of(&(hub, id));
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).forget(key);
    }

    fn change(&self, hub: HubRole, id: &IdentityId, change: impl FnOnce(&mut Entry)) {
        let key = self.prints.of(&(hub, id));
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).change(key, change);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{Object, SectionWrites, TwinWrites};

    fn some() -> SectionWrites {
        SectionWrites::replacement(&Object::new(), None)
    }

    fn hint(id: &str, kind: HintKind, version: u64) -> Hint {
        Hint {
            identity: id.parse().unwrap(),
            hub: None,
            kind,
            ordered: true,
            occurred: None,
            writes: TwinWrites::default(),
            version: Some(version),
            reported_version: None,
        }
    }

    #[test]
    fn a_version_our_write_returned_is_an_echo_on_that_hub_alone() {
        let echoes = Echoes::default();
        let event = hint("a", HintKind::Twin { replaced: false }, 7);
        echoes.twin(HubRole::Secondary, &event.identity, 7);
        assert!(echoes.is_echo(HubRole::Secondary, &event));
        assert!(!echoes.is_echo(HubRole::Primary, &event));
        assert!(!echoes.is_echo(HubRole::Secondary, &hint("a", event.kind.clone(), 8)));
        assert!(!echoes.is_echo(HubRole::Secondary, &hint("b", event.kind.clone(), 7)));
    }

    #[test]
    fn a_reported_version_is_an_echo_only_when_nothing_else_changed() {
        let echoes = Echoes::default();
        let mut event = hint("a", HintKind::Twin { replaced: false }, 9);
        event.reported_version = Some(3);
        event.writes.reported = some();
        echoes.reported(HubRole::Secondary, &event.identity, 3);
        assert!(echoes.is_echo(HubRole::Secondary, &event));
        event.writes.desired = some();
        assert!(!echoes.is_echo(HubRole::Secondary, &event));
    }

    #[test]
    fn a_device_we_created_and_then_deleted_is_an_echo_as_deleted_alone() {
        let echoes = Echoes::default();
        let id = "a".parse().unwrap();
        echoes.created(HubRole::Secondary, &id);
        assert!(echoes.is_echo(HubRole::Secondary, &hint("a", HintKind::Created, 2)));
        echoes.deleted(HubRole::Secondary, &id);
        assert!(echoes.is_echo(HubRole::Secondary, &hint("a", HintKind::Deleted, 2)));
        assert!(!echoes.is_echo(HubRole::Secondary, &hint("a", HintKind::Created, 2)));
    }
}
