//! One hub: what it is called, who may speak to it, and everything it remembers.

use parking_lot::{Mutex, MutexGuard};
use std::fmt;
use std::sync::Arc;

use super::configurations::Configurations;
use super::devices::Devices;
use super::policy::{self, Policy};
use super::query::Index;
use super::sessions::Sessions;
use super::switches::Switches;
use crate::events::Emitter;

/// One hub: registry, twins, policies, connections.
pub struct Hub {
    /// The name events give, as in `hubName`.
    pub name: String,
    /// The host as in connection strings, with `:port` unless the port is 443.
    pub host_name: String,
    other_names: Vec<String>,
    pub(super) policies: Vec<Policy>,
    pub(super) devices: Mutex<Devices>,
    /// Locked after `devices`, if both are.
    pub(super) index: Mutex<Index>,
    pub(super) configurations: Configurations,
    pub(super) sessions: Sessions,
    pub(super) emitter: Arc<Emitter>,
    pub(super) switches: Arc<Switches>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Hub {
    /// An empty hub with the built-in policies.
    #[must_use]
    pub fn new(
        name: &str,
        host_name: &str,
        seed: Option<&str>,
        emitter: Arc<Emitter>,
        switches: Arc<Switches>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            host_name: host_name.to_owned(),
            other_names: Vec::new(),
            policies: policy::built_in(name, seed),
            devices: Mutex::default(),
            index: Mutex::default(),
            configurations: Configurations::new(name, Arc::clone(&emitter)),
            sessions: Sessions::default(),
            emitter,
            switches,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Devices> {
        self.devices.lock()
    }

    /// With more host names that mean this hub.
    #[must_use]
    pub fn called(self, other_names: Vec<String>) -> Self {
        Self { other_names, ..self }
    }

    /// Whether a host name, in any case, means this hub.
    #[must_use]
    pub fn is_called(&self, host: &str) -> bool {
        let mut names = std::iter::once(&self.host_name).chain(&self.other_names);
        names.any(|name| name.eq_ignore_ascii_case(host))
    }

    /// The switches, shared by all hubs.
    #[must_use]
    pub fn switches(&self) -> &Switches {
        &self.switches
    }

    /// The automatic configurations.
    #[must_use]
    pub fn configurations(&self) -> &Configurations {
        &self.configurations
    }

    /// The policy of that name.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }
}
