//! What the hubs remember. Nothing here waits: locks are held for one operation and events leave under the lock, so
//! that the events of one identity have the order of its writes.

mod authentication;
mod body;
mod bulk;
mod configuration;
mod configurations;
mod devices;
mod document;
mod export;
mod id;
mod import;
mod item;
mod kept;
mod limits;
mod merge;
mod metadata;
mod modules;
mod packed;
mod policy;
mod precondition;
#[cfg(test)]
mod properties_of_merging;
mod query;
mod record;
mod registry;
mod scan;
mod sessions;
mod switches;
mod twin;
mod twins;
mod write;

pub use authentication::{Authentication, AuthenticationKind, Keys, Owner};
pub use configuration::Configuration;
pub use configurations::{Configurations, test_queries};
pub use export::ExportPage;
pub use id::{Id, check_id};
pub use import::ImportError;
pub(crate) use kept::KeptHub;
pub use policy::{Permission, Policy};
pub use precondition::Precondition;
pub use query::{Page, Query};
pub use record::{DeviceRecord, IdentityRecord, ModuleRecord};
pub use sessions::{DesiredPatch, SessionGuard, Subscriptions};
pub use switches::Switches;
pub use twin::{Effect, Section, TwinRecord, TwinWrite};
pub use twins::TwinVerb;

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use tokio::sync::broadcast;

use crate::error::{ErrorCode, HubError};
use crate::events::{ConnectionChanged, Emitter, Happened};
use crate::stamp::Stamp;
use devices::Devices;
use sessions::Sessions;
use write::Write;

/// All hubs of this process.
#[derive(Debug, Default)]
pub struct Hubs {
    /// In the order of the command line.
    pub hubs: Vec<Arc<Hub>>,
}

impl Hubs {
    /// The hub of that name, in any case.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Hub>> {
        self.hubs.iter().find(|hub| hub.name.eq_ignore_ascii_case(name))
    }
}

/// One hub: registry, twins, policies, connections.
pub struct Hub {
    /// The name events give, as in `hubName`.
    pub name: String,
    /// The host as in connection strings, with `:port` unless the port is 443.
    pub host_name: String,
    other_names: Vec<String>,
    policies: Vec<Policy>,
    devices: Mutex<Devices>,
    /// Locked after `devices`, if both are.
    index: Mutex<query::Index>,
    configurations: Configurations,
    sessions: Sessions,
    emitter: Arc<Emitter>,
    switches: Arc<Switches>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the device protocol needs to know to let an identity in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The device is enabled.
    pub enabled: bool,
    /// How the identity proves itself.
    pub kind: AuthenticationKind,
    /// Its keys, for `sas`.
    pub keys: Option<Keys>,
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

    fn lock(&self) -> MutexGuard<'_, Devices> {
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

    /// How an identity proves itself, if it exists.
    #[must_use]
    pub fn device_credentials(&self, id: &Id) -> Option<Credentials> {
        let found = self.lock().find(id)?;
        let authentication = &found.identity().authentication;
        Some(Credentials {
            enabled: found.device.enabled,
            kind: authentication.kind,
            keys: authentication.keys.clone(),
        })
    }

    /// Desired and reported as a device gets them: with `$version`, without metadata.
    ///
    /// # Errors
    /// `DeviceNotFound`.
    pub fn device_twin_document(&self, id: &Id) -> Result<Value, HubError> {
        let found = self.lock().find(id).ok_or_else(|| HubError::no_device(&id.device))?;
        Ok(found.identity().twin.device_document())
    }

    /// A device's patch of its reported properties; gives the new `$version`.
    ///
    /// # Errors
    /// `DeviceNotFound`; `PreconditionFailed` when the version is not the expected one; `ArgumentInvalid` when the
    /// patch breaks the documented limits.
    pub fn patch_reported(
        &self,
        id: &Id,
        patch: Value,
        expected_version: Option<u64>,
    ) -> Result<u64, HubError> {
        let Value::Object(patch) = patch else {
            return Err(HubError::new(
                ErrorCode::IotHubFormatError,
                "a reported patch must be a JSON object",
            ));
        };
        let patch = if self.switches.reported_dollar_refused() { patch } else { without_own_members(&patch) };
        limits::check(&patch, limits::Nulls::Delete)?;
        let at = Stamp::now();
        let mut devices = self.lock();
        let mut found = devices.find(id).ok_or_else(|| HubError::no_device(&id.device))?;
        let identity = found.identity_mut();
        if expected_version.is_some_and(|expected| expected != identity.twin.reported.version) {
            return Err(HubError::stale(&id.device));
        }
        let reported = &identity.twin.reported.members;
        limits::check_size(reported, &patch, limits::PROPERTIES_BYTES, "reported properties")?;
        identity.last_activity = at;
        let body = identity.twin.report(&patch, at, self.switches.events_carry_nulls());
        let version = identity.twin.reported.version;
        let mut write = Write::new(at);
        write.change(found.put(id));
        write.tell(id, false, body);
        self.commit(&mut devices, write)?;
        Ok(version)
    }

    /// Desired patches of this identity from now on.
    #[must_use]
    pub fn subscribe_desired(&self, id: &Id) -> broadcast::Receiver<DesiredPatch> {
        self.sessions.subscribe(id)
    }

    /// Notes whether an identity is connected; no version moves. It is told as an event when that is switched on.
    pub fn set_connection_state(&self, id: &Id, connected: bool) {
        let mut devices = self.lock();
        // It may be back already, before it was noted that it had gone.
        if !connected && self.sessions.is_open(id) {
            return;
        }
        let Some(mut found) = devices.find(id) else { return };
        let identity = found.identity_mut();
        let changed = std::mem::replace(&mut identity.connected, connected) != connected;
        let at = Stamp::now();
        (identity.connection_updated, identity.last_activity) = (at, at);
        devices.apply(found.put(id));
        if changed && self.switches.connection_state_events() {
            let change = ConnectionChanged { hub: &self.name, id, connected, at };
            if let Err(error) = self.emitter.tell(Happened::Connection(change)) {
                tracing::error!(%error, %id, "a change of its connection is not told");
            }
        }
    }

    /// Takes the identity's one connection: an earlier one is told to close.
    #[must_use]
    pub fn register_session(self: &Arc<Self>, id: &Id) -> SessionGuard {
        SessionGuard::open(Arc::clone(self), id)
    }
}

/// An object's members without `$…` ones at the top: the hub's own, accepted and ignored (observed).
pub(crate) fn without_own_members(members: &Map<String, Value>) -> Map<String, Value> {
    let kept =
        members.iter().filter(|(name, _)| !matches!(name.as_str(), "$metadata" | "$version" | "$etag"));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}
