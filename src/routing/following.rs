//! All that follows the record in one process, around one reader of it.

use std::sync::Arc;

use super::hubs::Hubs;
use super::lease::{Desk, LeaseKeeper};
use super::router_view::RouterView;
use super::store::RecordStore;
use super::watcher::{RoutingSettings, Watcher};

/// Everything that follows the record in one process.
#[derive(Debug)]
pub struct Routing {
    /// For those who write to a hub.
    pub leases: LeaseKeeper,
    /// For those who answer devices.
    pub router: RouterView,
    /// To be run in the background for as long as the process lives.
    pub watcher: Watcher,
}

impl Routing {
    /// Reads nothing yet. With `hubs`, the watcher makes the probe identities on them, once.
    pub fn new(store: RecordStore, settings: RoutingSettings, hubs: Option<Hubs>) -> Self {
        let desk = Arc::new(Desk::new(store));
        Self {
            router: RouterView(desk.view()),
            leases: LeaseKeeper(desk.clone()),
            watcher: Watcher::new(desk, settings, hubs),
        }
    }
}
