//! Device identities: reading and writing the registry.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::authentication::Authentication;
use super::body::IdentityBody;
use super::document::{Occasion, device_identity, twin};
use super::{DeviceRecord, Hub, Id, IdentityRecord, ModuleRecord, Precondition, TwinRecord, check_id};
use crate::error::{ErrorCode, HubError};
use crate::events::Lifecycle;
use crate::stamp::Stamp;

/// The modules of the edge runtime; the hub makes them itself (documented).
const EDGE_MODULES: [&str; 2] = ["$edgeAgent", "$edgeHub"];

impl Hub {
    /// A device identity, keys included.
    ///
    /// # Errors
    /// `DeviceNotFound`.
    pub fn get_device(&self, id: &str) -> Result<Value, HubError> {
        let devices = self.lock();
        let device = devices.get(id).ok_or_else(|| HubError::no_device(id))?;
        Ok(device_identity(device, id, Occasion::Read))
    }

    /// Up to `top` device identities; a real hub promises no order.
    #[must_use]
    pub fn list_devices(&self, top: usize) -> Vec<Value> {
        let devices = self.lock();
        devices.iter().take(top).map(|(id, device)| device_identity(device, id, Occasion::Read)).collect()
    }

    /// `PUT /devices/{id}`: creates without a precondition, updates with one.
    ///
    /// # Errors
    /// `DeviceAlreadyExists`, `DeviceNotFound`, `PreconditionFailed`, `ArgumentInvalid`.
    pub fn put_device(&self, id: &str, body: &Value, demand: &Precondition) -> Result<Value, HubError> {
        check_id(id)?;
        let body = IdentityBody::read(body, id, None)?;
        match demand {
            Precondition::Absent => self.create_device(id, body, None),
            demand => self.update_device(id, body, demand),
        }
    }

    /// Creates a device, with a twin that may have content already.
    pub(super) fn create_device(
        &self,
        id: &str,
        body: IdentityBody,
        content: Option<TwinRecord>,
    ) -> Result<Value, HubError> {
        let mut devices = self.lock();
        if devices.contains_key(id) {
            return Err(already_registered(id));
        }
        if body.is_edge() && body.scope.is_some() {
            return Err(scope_immutable());
        }
        let device = new_device(id, body, content);
        let answer = device_identity(&device, id, Occasion::Written);
        self.announce(&device, &Id::device(id), true);
        for module in device.modules.keys() {
            self.announce(&device, &Id::module(id, module), true);
        }
        devices.insert(id.to_owned(), device);
        Ok(answer)
    }

    /// Overwrites a device that exists.
    pub(super) fn update_device(
        &self,
        id: &str,
        body: IdentityBody,
        demand: &Precondition,
    ) -> Result<Value, HubError> {
        let mut devices = self.lock();
        let device = devices.get_mut(id).ok_or_else(|| HubError::no_device(id))?;
        demand.check(&device.identity.etag(), id)?;
        if device.is_edge() && body.is_edge() && device.scope != body.scope {
            return Err(scope_immutable());
        }
        let was_edge = device.is_edge();
        overwrite(device, body);
        self.follow_edge(device, id, was_edge);
        if !device.enabled {
            self.close_sessions(device, id);
        }
        Ok(device_identity(device, id, Occasion::Written))
    }

    /// Makes or removes what belongs to an edge device when the capability changed.
    fn follow_edge(&self, device: &mut DeviceRecord, id: &str, was_edge: bool) {
        if device.is_edge() && !was_edge {
            device.scope = Some(new_scope(id, Stamp::unique_now()));
            device.modules.append(&mut edge_modules(Stamp::unique_now()));
            for module in EDGE_MODULES {
                self.announce(device, &Id::module(id, module), true);
            }
        } else if was_edge && !device.is_edge() {
            for module in EDGE_MODULES {
                self.announce(device, &Id::module(id, module), false);
                device.modules.remove(module);
            }
        }
    }

    /// `DELETE /devices/{id}`; its modules go with it.
    ///
    /// # Errors
    /// `PreconditionFailed`, also without a precondition; `DeviceNotFound`.
    pub fn delete_device(&self, id: &str, demand: &Precondition) -> Result<(), HubError> {
        demand.demand()?;
        let mut devices = self.lock();
        let device = devices.get(id).ok_or_else(|| HubError::no_device(id))?;
        demand.check(&device.identity.etag(), id)?;
        self.close_sessions(device, id);
        for module in device.modules.keys() {
            self.announce(device, &Id::module(id, module), false);
        }
        self.announce(device, &Id::device(id), false);
        devices.remove(id);
        Ok(())
    }

    fn close_sessions(&self, device: &DeviceRecord, id: &str) {
        self.sessions.close(&Id::device(id));
        for module in device.modules.keys() {
            self.sessions.close(&Id::module(id, module));
        }
    }

    /// Emits a lifecycle event.
    pub(super) fn announce(&self, device: &DeviceRecord, id: &Id, created: bool) {
        if let Some(twin) = twin(device, id, true) {
            self.emitter.lifecycle(Lifecycle { hub: &self.name, id, created, twin: &twin, at: Stamp::now() });
        }
    }

    /// How many devices there are, how many of them enabled, how many connected.
    #[must_use]
    pub fn count_devices(&self) -> (usize, usize, usize) {
        let devices = self.lock();
        let enabled = devices.values().filter(|device| device.enabled).count();
        let connected = devices.values().filter(|device| device.identity.connected).count();
        (devices.len(), enabled, connected)
    }
}

fn new_device(id: &str, body: IdentityBody, content: Option<TwinRecord>) -> DeviceRecord {
    let at = Stamp::unique_now();
    let edge = body.is_edge();
    let twin = content.unwrap_or_else(|| TwinRecord::new(at));
    let mut device = DeviceRecord {
        identity: IdentityRecord::new(at, Authentication::none(), twin),
        enabled: body.enabled,
        status_reason: None,
        status_updated: Stamp::NEVER,
        capabilities: Map::new(),
        scope: None,
        parent_scopes: Vec::new(),
        modules: BTreeMap::new(),
    };
    overwrite(&mut device, body);
    device.identity.counter -= 1;
    if edge {
        device.scope = Some(new_scope(id, at));
        device.modules = edge_modules(at);
    }
    device
}

/// A full replace: what the body leaves out falls back to its default.
fn overwrite(device: &mut DeviceRecord, body: IdentityBody) {
    if device.enabled != body.enabled {
        device.status_updated = Stamp::now();
    }
    device.parent_scopes = match (&body.scope, body.is_edge()) {
        (Some(parent), false) => vec![parent.clone()],
        _ => body.parent_scopes,
    };
    device.enabled = body.enabled;
    device.status_reason = body.status_reason;
    device.capabilities = body.capabilities;
    device.scope = body.scope;
    device.identity.authentication = body.authentication;
    device.identity.extra = body.extra;
    device.identity.counter += 1;
}

fn edge_modules(at: Stamp) -> BTreeMap<String, ModuleRecord> {
    let one = |name: &str| {
        let identity = IdentityRecord::new(at, Authentication::none(), TwinRecord::new(at));
        (name.to_owned(), ModuleRecord { identity, managed_by: Some("iotEdge".to_owned()) })
    };
    EDGE_MODULES.into_iter().map(one).collect()
}

fn new_scope(id: &str, at: Stamp) -> String {
    format!("ms-azure-iot-edge://{id}-{}", at.dotnet_ticks())
}

fn scope_immutable() -> HubError {
    HubError::invalid("Device scope is immutable")
}

fn already_registered(id: &str) -> HubError {
    HubError::new(ErrorCode::DeviceAlreadyExists, format!("A device with ID '{id}' is already registered."))
}
