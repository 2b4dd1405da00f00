//! Which registry entries are known to be equal, told by their ETags.
//!
//! A twin carries the ETag of its registry entry, and twin reads are sixty times cheaper than
//! registry reads (documented limits), so a pair once compared need not be read again until one of
//! the two ETags moves.

use std::sync::{Mutex, PoisonError};

use super::bounded::{Bounded, Fingerprint, Fingerprints};
use crate::model::{ETag, IdentityId, TwinDocument};
use crate::routing::HubRole;

/// Pairs remembered per process; about 100 bytes each.
const REMEMBERED: usize = 16_384;

#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    primary: Option<Fingerprint>,
    secondary: Option<Fingerprint>,
    seen: Option<(HubRole, u64)>,
}

/// What memory says about a pair as observed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Never compared here, or forgotten.
    Nothing,
    /// Compared at just these ETags.
    Equal,
    /// Compared, and one of them has moved since.
    Moved,
}

/// Bounded memory of compared pairs.
#[derive(Debug)]
pub(crate) struct KnownPairs {
    prints: Fingerprints,
    pairs: Mutex<Bounded<Pair>>,
}

impl Default for KnownPairs {
    fn default() -> Self {
        Self { prints: Fingerprints::default(), pairs: Mutex::new(Bounded::new(REMEMBERED)) }
    }
}

impl KnownPairs {
    /// The registry entries at these ETags are equal.
    pub(crate) fn remember(&self, id: &IdentityId, source: (HubRole, &ETag), target: &ETag) {
        let (role, source) = source;
        let (source, target) = (self.prints.of(source), self.prints.of(target));
        self.change(id, |pair| {
            (pair.primary, pair.secondary) = match role {
                HubRole::Primary => (Some(source), Some(target)),
                HubRole::Secondary => (Some(target), Some(source)),
            };
        });
    }

    /// We made the target from what the source's registry said; its twin was then at `version`.
    pub(crate) fn made(&self, id: &IdentityId, source: HubRole, version: u64) {
        self.change(id, |pair| {
            *pair = Pair { seen: Some((source, version)), ..Pair::default() };
        });
    }

    /// Whether the source was read at this version or a later one when we made the target, so that
    /// a second notice of the same creation says nothing new.
    pub(crate) fn was_made_at(&self, id: &IdentityId, source: HubRole, version: u64) -> bool {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = pairs.get(self.prints.of(id)).and_then(|pair| pair.seen);
        seen.is_some_and(|(hub, seen)| hub == source && seen >= version)
    }

    /// Compares what is remembered with the ETags that both twins show now.
    pub(crate) fn check(
        &self,
        id: &IdentityId,
        source: (HubRole, &TwinDocument),
        target: &TwinDocument,
    ) -> Known {
        let (role, source) = source;
        let now = (Some(self.prints.of(&source.device_etag)), Some(self.prints.of(&target.device_etag)));
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pair) = pairs.get(self.prints.of(id)) else { return Known::Nothing };
        let then = match role {
            HubRole::Primary => (pair.primary, pair.secondary),
            HubRole::Secondary => (pair.secondary, pair.primary),
        };
        match then {
            (None, _) | (_, None) => Known::Nothing,
            then if then == now => Known::Equal,
            _ => Known::Moved,
        }
    }

    /// It was deleted, or may have been.
    pub(crate) fn forget(&self, id: &IdentityId) {
        let key = self.prints.of(id);
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).forget(key);
    }

    fn change(&self, id: &IdentityId, change: impl FnOnce(&mut Pair)) {
        let key = self.prints.of(id);
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).change(key, change);
    }
}
