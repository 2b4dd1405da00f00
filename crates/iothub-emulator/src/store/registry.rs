//! Device identities: reading and writing the registry.

use serde_json::{Map, Value};
use std::ops::Bound;

use super::authentication::Authentication;
use super::body::IdentityBody;
use super::devices::{Change, Devices, Found};
use super::document::{Occasion, device_identity};
use super::packed::Depth;
use super::write::Write;
use super::{DeviceRecord, Hub, Id, IdentityRecord, ModuleRecord, Precondition, TwinRecord, check_id};
use crate::error::{ErrorCode, HubError};
use crate::stamp::Stamp;

/// The modules of the edge runtime; the hub makes them itself (documented).
pub(super) const EDGE_MODULES: [&str; 2] = ["$edgeAgent", "$edgeHub"];

/// How the scope of an edge device begins (recorded by others).
const SCOPE: &str = "ms-azure-iot-edge://";

impl Hub {
    /// A device identity, keys included.
    ///
    /// # Errors
    /// `DeviceNotFound`.
    pub fn get_device(&self, id: &str) -> Result<Value, HubError> {
        let device = self.lock().device(id).ok_or_else(|| HubError::no_device(id))?;
        Ok(device_identity(&device, id, Occasion::Read))
    }

    /// Up to `top` device identities; a real hub promises no order.
    #[must_use]
    pub fn list_devices(&self, top: usize) -> Vec<Value> {
        let mut all = Vec::new();
        self.each_device(Bound::Unbounded, &mut |id, stored| {
            if all.len() < top {
                all.extend(
                    stored.device(Depth::Whole).map(|device| device_identity(&device, id, Occasion::Read)),
                );
            }
            all.len() < top
        });
        all
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
        if devices.has_device(id) {
            return Err(already_registered(id));
        }
        if body.is_edge() && body.scope.is_some() {
            return Err(scope_immutable());
        }
        self.check_parents(&devices, &body, &[])?;
        let at = Stamp::unique_now();
        let device = new_device(id, body, content, at);
        let answer = device_identity(&device, id, Occasion::Created);
        let mut write = Write::new(at);
        write.change(Change::put_device(id, &device));
        let found = Found::device(device);
        write.announce(&found, &Id::device(id), true);
        if found.device.is_edge() {
            add_edge_modules(&mut write, &found, id, at);
        }
        self.commit(&mut devices, write)?;
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
        let mut device = devices.device(id).ok_or_else(|| HubError::no_device(id))?;
        demand.check_resource(&device.identity.etag())?;
        if device.is_edge() && body.is_edge() && device.scope != body.scope {
            return Err(scope_immutable());
        }
        self.check_parents(&devices, &body, &device.parent_scopes)?;
        let was_edge = device.is_edge();
        overwrite(&mut device, body);
        let at = Stamp::unique_now();
        let became_edge = device.is_edge() && !was_edge;
        if became_edge {
            device.scope = Some(new_scope(id, at));
        }
        let mut write = Write::new(at);
        write.change(Change::put_device(id, &device));
        let ceased = was_edge && !device.is_edge();
        let answer = device_identity(&device, id, Occasion::Updated);
        let found = Found::device(device);
        if became_edge {
            add_edge_modules(&mut write, &found, id, at);
        } else if ceased {
            remove_edge_modules(&mut write, &devices, &found, id);
        }
        self.commit(&mut devices, write)?;
        if !found.device.enabled {
            self.close_sessions(&identities(&devices, id));
        }
        Ok(answer)
    }

    /// Refuses a parent that is no edge device of this hub, unless it is one of those `before`: its parent may be gone.
    fn check_parents(
        &self,
        devices: &Devices,
        body: &IdentityBody,
        before: &[String],
    ) -> Result<(), HubError> {
        let parents = if body.is_edge() { body.parent_scopes.as_slice() } else { body.scope.as_slice() };
        let unknown = |scope: &&String| !before.contains(scope) && !is_scope(devices, scope);
        match parents.iter().find(unknown).filter(|_| self.switches.unknown_scopes_refused()) {
            Some(scope) => {
                Err(HubError::invalid(format!("The scope '{scope}' is not that of an edge device")))
            }
            None => Ok(()),
        }
    }

    /// `DELETE /devices/{id}`; its modules go with it.
    ///
    /// # Errors
    /// `PreconditionFailed`, also without a precondition; `DeviceNotFound`.
    pub fn delete_device(&self, id: &str, demand: &Precondition) -> Result<(), HubError> {
        demand.demand()?;
        let mut devices = self.lock();
        let found = devices.find(&Id::device(id)).ok_or_else(|| HubError::no_device(id))?;
        demand.check_resource(&found.device.identity.etag())?;
        let mut write = Write::new(Stamp::now());
        for module in devices.module_ids(id) {
            let id = Id::module(id, module);
            if let Some(found) = devices.find(&id) {
                write.announce(&found, &id, false);
            }
        }
        write.announce(&found, &Id::device(id), false);
        write.change(Change::RemoveDevice(id.into()));
        let identities = identities(&devices, id);
        self.commit(&mut devices, write)?;
        self.close_sessions(&identities);
        identities.iter().for_each(|id| self.sessions.forget(id));
        Ok(())
    }

    fn close_sessions(&self, identities: &[Id]) {
        identities.iter().for_each(|id| self.sessions.close(id));
    }

    /// How many devices there are, how many of them enabled, how many connected.
    #[must_use]
    pub fn count_devices(&self) -> (usize, usize, usize) {
        let (mut all, mut enabled, mut connected) = (0, 0, 0);
        self.each_device(Bound::Unbounded, &mut |_, stored| {
            let standing = stored.standing();
            all += 1;
            enabled += usize::from(standing.is_some_and(|standing| standing.enabled));
            connected += usize::from(standing.is_some_and(|standing| standing.connected));
            true
        });
        (all, enabled, connected)
    }
}

/// A device and its modules.
fn identities(devices: &Devices, id: &str) -> Vec<Id> {
    let modules = devices.module_ids(id).into_iter().map(|module| Id::module(id, module));
    std::iter::once(Id::device(id)).chain(modules).collect()
}

fn new_device(id: &str, body: IdentityBody, content: Option<TwinRecord>, at: Stamp) -> DeviceRecord {
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
    };
    overwrite(&mut device, body);
    device.identity.counter -= 1;
    if edge {
        device.scope = Some(new_scope(id, at));
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

/// The hub makes what belongs to an edge device.
fn add_edge_modules(write: &mut Write, device: &Found, id: &str, at: Stamp) {
    for name in EDGE_MODULES {
        let identity = IdentityRecord::new(at, Authentication::none(), TwinRecord::of_module());
        let module = ModuleRecord { identity, managed_by: Some("iotEdge".to_owned()) };
        let found = Found { device: device.device.clone(), module: Some(module) };
        let module = Id::module(id, name);
        write.change(found.put(&module));
        write.announce(&found, &module, true);
    }
}

/// And takes it away when the device is no edge device any more.
fn remove_edge_modules(write: &mut Write, devices: &Devices, device: &Found, id: &str) {
    for name in EDGE_MODULES {
        let Some(module) = devices.module(id, name) else { continue };
        let found = Found { device: device.device.clone(), module: Some(module) };
        write.announce(&found, &Id::module(id, name), false);
        write.change(Change::RemoveModule(id.into(), name.into()));
    }
}

fn new_scope(id: &str, at: Stamp) -> String {
    format!("{SCOPE}{id}-{}", at.dotnet_ticks())
}

/// Whether an edge device has this scope.
fn is_scope(devices: &Devices, scope: &str) -> bool {
    let id = scope.strip_prefix(SCOPE).and_then(|rest| rest.rsplit_once('-')).map(|(id, _)| id);
    id.and_then(|id| devices.device(id)).is_some_and(|device| device.scope.as_deref() == Some(scope))
}

fn scope_immutable() -> HubError {
    HubError::invalid("Device scope is immutable")
}

fn already_registered(id: &str) -> HubError {
    HubError::new(ErrorCode::DeviceAlreadyExists, format!("A device with ID '{id}' is already registered."))
}
