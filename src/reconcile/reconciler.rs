//! What a process has once, for all work on identities.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::execute::{Budget, Bulk, Probe};
use super::memory::{Echoes, KnownPairs, Locks, Refusals};
use crate::iothub::HubClient;
use crate::routing::{HubRole, LeaseKeeper};
use crate::storage::Container;

/// What a reconciler is made of.
#[derive(Debug)]
pub struct Parts {
    /// The primary hub.
    pub primary: HubClient,
    /// The secondary hub.
    pub secondary: HubClient,
    /// The right to write.
    pub leases: LeaseKeeper,
    /// The container `iot-hadr`.
    pub store: Container,
    /// Hub calls in flight, process-wide (`HADR_MAX_IN_FLIGHT`).
    pub max_in_flight: usize,
    /// Deletes in any hour, by all instances together (`HADR_DELETES_PER_HOUR`).
    pub deletes_per_hour: usize,
}

/// Makes identities right. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reconciler(Arc<Shared>);

/// What all clones share.
#[derive(Debug)]
pub struct Shared {
    primary: HubClient,
    secondary: HubClient,
    bulk_primary: Bulk,
    bulk_secondary: Bulk,
    probe_primary: Probe,
    probe_secondary: Probe,
    pub(crate) leases: LeaseKeeper,
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) store: Container,
    pub(crate) budget: Budget,
    pub(crate) echoes: Echoes,
    pub(crate) pairs: KnownPairs,
    pub(crate) refusals: Refusals,
    pub(crate) locks: Locks,
}

impl std::ops::Deref for Reconciler {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Reconciler {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        let in_flight = Arc::new(Semaphore::new(parts.max_in_flight.max(1)));
        Self(Arc::new(Shared {
            bulk_primary: Bulk::new(parts.primary.clone(), Arc::clone(&in_flight)),
            bulk_secondary: Bulk::new(parts.secondary.clone(), Arc::clone(&in_flight)),
            probe_primary: Probe::default(),
            probe_secondary: Probe::default(),
            budget: Budget::new(parts.store.clone(), parts.deletes_per_hour),
            echoes: Echoes::default(),
            pairs: KnownPairs::default(),
            refusals: Refusals::default(),
            locks: Locks::default(),
            primary: parts.primary,
            secondary: parts.secondary,
            leases: parts.leases,
            store: parts.store,
            in_flight,
        }))
    }
}

impl Shared {
    /// The client of a hub.
    pub(crate) fn hub(&self, role: HubRole) -> &HubClient {
        match role {
            HubRole::Primary => &self.primary,
            HubRole::Secondary => &self.secondary,
        }
    }

    /// The creates gathered for a hub.
    pub(crate) fn bulk(&self, role: HubRole) -> &Bulk {
        match role {
            HubRole::Primary => &self.bulk_primary,
            HubRole::Secondary => &self.bulk_secondary,
        }
    }

    /// What a hub says of the probe identity.
    pub(crate) fn probe(&self, role: HubRole) -> &Probe {
        match role {
            HubRole::Primary => &self.probe_primary,
            HubRole::Secondary => &self.probe_secondary,
        }
    }
}
