//! What commands work with.

use super::operator::operator;
use crate::config::{Clients, Config};
use crate::fleet::Rejoin;
use crate::pending::Pending;
use crate::reconcile::{Parts, Reconciler};
use crate::routing::LeaseKeeper;

/// What commands work with.
#[derive(Debug)]
pub struct Context {
    /// The settings.
    pub config: Config,
    /// What they lead to.
    pub clients: Clients,
}

impl Context {
    /// The notes and what pays them off, for commands that write.
    pub(super) fn pending(&self) -> Pending {
        let Clients { hubs, store, records, .. } = self.clients.clone();
        let reconciler = Reconciler::new(Parts {
            primary: hubs.primary,
            secondary: hubs.secondary,
            leases: LeaseKeeper::new(records),
            store,
            max_in_flight: self.config.max_in_flight,
            deletes_per_hour: self.config.deletes_per_hour,
        });
        Pending::new(reconciler, self.config.router_valid)
    }

    /// What ends a rejoining.
    pub(super) fn rejoin(&self) -> Rejoin {
        let (records, hubs) = (self.clients.records.clone(), self.clients.hubs.clone());
        Rejoin::new(self.pending(), records, hubs, self.config.router_valid, operator())
    }
}
