//! What devices do to a hub: they prove who they are, connect, read their twin and report.

use serde_json::Value;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::authentication::{AuthenticationKind, Keys};
use super::body::without_own_members;
use super::hub::Hub;
use super::id::Id;
use super::limits;
use super::sessions::{DesiredPatch, Subscriptions};
use super::write::Write;
use crate::error::{ErrorCode, HubError};
use crate::events::{ConnectionChanged, Happened};
use crate::stamp::Stamp;

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
        limits::check(&patch, self.rules(limits::Nulls::Delete))?;
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
        let body = identity.twin.report(&patch, at, self.event_nulls());
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

    /// Notes the model that an identity says it has when it connects. One that says nothing keeps the last (inferred).
    pub fn note_model(&self, id: &Id, model: &str) {
        let mut devices = self.lock();
        let Some(mut found) = devices.find(id).filter(|_| !model.is_empty()) else { return };
        if found.identity().model == model {
            return;
        }
        found.identity_mut().model = model.to_owned();
        let mut write = Write::new(Stamp::now());
        write.change(found.put(id));
        if let Err(error) = self.commit(&mut devices, write) {
            tracing::error!(%error, %id, "its model is not noted");
        }
    }

    /// Takes the identity's one connection: an earlier one is told to close.
    #[must_use]
    pub fn register_session(self: &Arc<Self>, id: &Id) -> SessionGuard {
        SessionGuard::open(Arc::clone(self), id)
    }
}

impl Hub {
    /// What an identity subscribed to when it last connected with a session that lasts, if it wants that back; a clean
    /// one begins with nothing and leaves nothing. The Node and Python SDKs do not subscribe again when they reconnect
    /// to renew a token (read in their sources).
    pub fn resume_session(&self, id: &Id, clean: bool) -> Option<Subscriptions> {
        let mut all = self.sessions.kept();
        if clean {
            all.remove(id);
            return None;
        }
        let kept = all.get(id).copied();
        if kept.is_none() {
            all.insert(id.clone(), Subscriptions::default());
        }
        kept
    }

    /// Keeps what an identity subscribes to for its next connection.
    pub fn keep_session(&self, id: &Id, subscriptions: Subscriptions) {
        // One that was deleted in between does not come back with it.
        if let Some(kept) = self.sessions.kept().get_mut(id) {
            *kept = subscriptions;
        }
    }
}

/// A device's connection. Dropping it disconnects the device, unless a later connection took its place.
#[derive(Debug)]
pub struct SessionGuard {
    hub: Arc<Hub>,
    id: Id,
    serial: u64,
    closed: CancellationToken,
}

impl SessionGuard {
    pub(super) fn open(hub: Arc<Hub>, id: &Id) -> Self {
        let (serial, closed) = hub.sessions.register(id);
        hub.set_connection_state(id, true);
        Self { hub, id: id.clone(), serial, closed }
    }

    /// Resolves when the hub wants this connection closed: another one took its place, or the identity was
    /// disabled or deleted.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Whether [`SessionGuard::closed`] would resolve at once.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        if self.hub.sessions.leave(&self.id, self.serial) {
            self.hub.set_connection_state(&self.id, false);
        }
    }
}
