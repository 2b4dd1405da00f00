//! Which registry entries are known to be equal, told by their ETags.
//!
//! A twin carries the ETag of its registry entry, and twin reads are sixty times cheaper than
//! registry reads (documented limits), so a pair once compared need not be read again until one of
//! the two ETags moves.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};

use super::bounded::{Bounded, Fingerprints};
use crate::model::{ETag, IdentityId, TwinDocument};
use crate::routing::HubRole;

/// Pairs remembered per process; about 90 bytes each; just what fits a hash table of 32,768 places.
const REMEMBERED: usize = 28_000;

#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    primary: Option<NonZeroU64>,
    secondary: Option<NonZeroU64>,
}

impl Pair {
    fn of(&mut self, hub: HubRole) -> &mut Option<NonZeroU64> {
        match hub {
            HubRole::Primary => &mut self.primary,
            HubRole::Secondary => &mut self.secondary,
        }
    }
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
        let (source, target) = (self.prints.short(source), self.prints.short(target));
        self.change(id, |pair| {
            *pair.of(role) = Some(source);
            *pair.of(role.other()) = Some(target);
        });
    }

    /// We made the target from the source's registry entry at `etag`. They are equal by construction; the
    /// target's ETag is learned when it is next seen.
    pub(crate) fn made(&self, id: &IdentityId, source: HubRole, etag: Option<&ETag>) {
        let etag = etag.map(|etag| self.prints.short(etag));
        self.change(id, |pair| {
            *pair = Pair::default();
            *pair.of(source) = etag;
        });
    }

    /// Compares what is remembered with the ETags that both twins show now.
    pub(crate) fn check(
        &self,
        id: &IdentityId,
        source: (HubRole, &TwinDocument),
        target: &TwinDocument,
    ) -> Known {
        let (role, source) = source;
        let now = (self.prints.short(&source.device_etag), self.prints.short(&target.device_etag));
        let mut known = Known::Nothing;
        self.change(id, |pair| {
            let (then_source, then_target) = (*pair.of(role), *pair.of(role.other()));
            known = match (then_source, then_target) {
                (Some(then), None) if then == now.0 => {
                    *pair.of(role.other()) = Some(now.1);
                    Known::Equal
                }
                (None, _) => Known::Nothing,
                (Some(then), there) if (then, there) == (now.0, Some(now.1)) => Known::Equal,
                _ => Known::Moved,
            };
        });
        known
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn twin(device_etag: &str) -> TwinDocument {
        let members = json!({"etag": "t", "deviceEtag": device_etag});
        TwinDocument::from_json(members.as_object().cloned().unwrap()).unwrap()
    }

    #[test]
    fn a_pair_is_known_equal_until_one_of_its_etags_moves_whichever_way_it_is_read() {
        let (pairs, id) = (KnownPairs::default(), "d".parse().unwrap());
        let (active, standby) = (HubRole::Primary, HubRole::Secondary);
        assert_eq!(pairs.check(&id, (active, &twin("a")), &twin("b")), Known::Nothing);
        pairs.remember(&id, (active, &ETag::new("a")), &ETag::new("b"));
        assert_eq!(pairs.check(&id, (active, &twin("a")), &twin("b")), Known::Equal);
        assert_eq!(pairs.check(&id, (standby, &twin("b")), &twin("a")), Known::Equal);
        assert_eq!(pairs.check(&id, (active, &twin("a2")), &twin("b")), Known::Moved);
        pairs.forget(&id);
        assert_eq!(pairs.check(&id, (active, &twin("a")), &twin("b")), Known::Nothing);
    }

    #[test]
    fn what_we_made_is_known_equal_as_soon_as_its_etag_is_seen() {
        let (pairs, id) = (KnownPairs::default(), "d".parse().unwrap());
        pairs.made(&id, HubRole::Primary, Some(&ETag::new("a")));
        assert_eq!(pairs.check(&id, (HubRole::Primary, &twin("a2")), &twin("b")), Known::Moved);
        assert_eq!(pairs.check(&id, (HubRole::Primary, &twin("a")), &twin("b")), Known::Equal);
        assert_eq!(pairs.check(&id, (HubRole::Primary, &twin("a")), &twin("b2")), Known::Moved);
    }
}
