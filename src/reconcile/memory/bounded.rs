//! A map that forgets its oldest entries: memory has a limit that can be named.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU64;

/// 128 bits that stand for an identity: small, and two identities never share them in practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64, u64);

/// Makes fingerprints; seeded anew in every process.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints(RandomState, RandomState);

impl Fingerprints {
    /// Of anything that can be hashed.
    pub(crate) fn of(&self, what: &impl Hash) -> Fingerprint {
        Fingerprint(self.0.hash_one(what), self.1.hash_one(what))
    }

    /// 64 bits, for telling one value from the one before it.
    pub(crate) fn short(&self, what: &impl Hash) -> NonZeroU64 {
        NonZeroU64::new(self.0.hash_one(what)).unwrap_or(NonZeroU64::MIN)
    }
}

/// First in, first out, at most `capacity` entries.
#[derive(Debug)]
pub(crate) struct Bounded<V> {
    entries: HashMap<Fingerprint, V>,
    order: VecDeque<Fingerprint>,
    capacity: usize,
}

impl<V> Bounded<V> {
    /// An empty one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// What is remembered.
    pub(crate) fn get(&self, key: Fingerprint) -> Option<&V> {
        self.entries.get(&key)
    }

    /// Changes an entry, making it when it is not there.
    pub(crate) fn change(&mut self, key: Fingerprint, change: impl FnOnce(&mut V))
    where
        V: Default,
    {
        if let Some(value) = self.entries.get_mut(&key) {
            return change(value);
        }
        let mut value = V::default();
        change(&mut value);
        self.entries.insert(key, value);
        self.order.push_back(key);
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }

    /// Empties an entry; its place in the order stays, so that the order never outgrows the map.
    pub(crate) fn forget(&mut self, key: Fingerprint)
    where
        V: Default,
    {
        if let Some(value) = self.entries.get_mut(&key) {
            *value = V::default();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_oldest_entry_is_forgotten_first_and_the_limit_holds() {
        let prints = Fingerprints::default();
        let mut map: Bounded<u64> = Bounded::new(3);
        for n in 0..10u64 {
            map.change(prints.of(&n), |value| *value = n);
        }
        assert_eq!(map.entries.len(), 3);
        assert_eq!(map.order.len(), 3);
        assert_eq!(map.get(prints.of(&6u64)), None);
        assert_eq!(map.get(prints.of(&9u64)), Some(&9));
    }
}
