//! Module identities.

use serde_json::Value;

use super::body::IdentityBody;
use super::devices::{Change, Devices, Found};
use super::document::{Occasion, module_identity};
use super::write::Write;
use super::{DeviceRecord, Hub, Id, IdentityRecord, ModuleRecord, Precondition, TwinRecord, check_id};
use crate::error::{ErrorCode, HubError};
use crate::stamp::Stamp;

/// Most modules of one device (documented for edge deployments).
pub(super) const MAX_MODULES: usize = 50;

/// Who asks for modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// A client: it sees no modules of a device that is missing or disabled, and cannot tell which (observed with
    /// shared access signatures).
    Client,
    /// A job of the hub itself (inferred: an export of disabled devices can be imported).
    Job,
}

impl Hub {
    /// All modules of a device.
    ///
    /// # Errors
    /// `IotHubUnauthorizedAccess` when the device is missing or disabled (observed with shared access signatures).
    pub fn list_modules(&self, device: &str) -> Result<Vec<Value>, HubError> {
        let devices = self.lock();
        open(&devices, device, Caller::Client)?;
        let one = |id| Some(module_identity(&devices.module(device, id)?, device, id, Occasion::Read));
        Ok(devices.module_ids(device).into_iter().filter_map(one).collect())
    }

    /// A module identity, keys included.
    ///
    /// # Errors
    /// As [`Hub::list_modules`], and `ModuleNotFound`.
    pub fn get_module(&self, device: &str, module: &str) -> Result<Value, HubError> {
        let devices = self.lock();
        open(&devices, device, Caller::Client)?;
        let found = devices.module(device, module).ok_or_else(|| no_module(device, module))?;
        Ok(module_identity(&found, device, module, Occasion::Read))
    }

    /// `PUT /devices/{id}/modules/{module}`: creates without a precondition, updates with one.
    ///
    /// # Errors
    /// As [`Hub::get_module`], and `ModuleAlreadyExistsOnDevice`, `PreconditionFailed`, `ArgumentInvalid`.
    pub fn put_module(
        &self,
        device: &str,
        module: &str,
        body: &Value,
        demand: &Precondition,
    ) -> Result<Value, HubError> {
        check_id(module)?;
        let body = IdentityBody::read(body, device, Some(module))?;
        match demand {
            Precondition::Absent => self.create_module(device, module, body, None, Caller::Client),
            demand => self.update_module(device, module, body, demand, Caller::Client),
        }
    }

    pub(super) fn create_module(
        &self,
        device: &str,
        module: &str,
        body: IdentityBody,
        content: Option<TwinRecord>,
        caller: Caller,
    ) -> Result<Value, HubError> {
        let mut devices = self.lock();
        let owner = open(&devices, device, caller)?;
        let siblings = devices.module_ids(device);
        if siblings.contains(&module) {
            return Err(already_there(&self.name, device, module));
        }
        if module.starts_with('$') {
            return Err(HubError::invalid(format!("The module id '{module}' is reserved")));
        }
        if siblings.len() >= MAX_MODULES {
            let text = format!("Device {device} has {MAX_MODULES} modules already");
            return Err(HubError::new(ErrorCode::TooManyModulesOnDevice, text));
        }
        let at = Stamp::unique_now();
        let twin = content.unwrap_or_else(TwinRecord::of_module);
        let mut identity = IdentityRecord::new(at, body.authentication, twin);
        identity.extra = body.extra;
        let record = ModuleRecord { identity, managed_by: body.managed_by };
        let answer = module_identity(&record, device, module, Occasion::Created);
        let (id, found) = (Id::module(device, module), Found { device: owner, module: Some(record) });
        let mut write = Write::new(at);
        write.change(found.put(&id));
        write.announce(&found, &id, true);
        self.commit(&mut devices, write)?;
        Ok(answer)
    }

    pub(super) fn update_module(
        &self,
        device: &str,
        module: &str,
        body: IdentityBody,
        demand: &Precondition,
        caller: Caller,
    ) -> Result<Value, HubError> {
        let mut devices = self.lock();
        open(&devices, device, caller)?;
        let mut found = devices.module(device, module).ok_or_else(|| no_module(device, module))?;
        demand.check_resource(&found.identity.etag())?;
        found.managed_by = body.managed_by;
        found.identity.authentication = body.authentication;
        found.identity.extra = body.extra;
        found.identity.counter += 1;
        let mut write = Write::new(Stamp::now());
        write.change(Change::put_module(device, module, &found));
        self.commit(&mut devices, write)?;
        Ok(module_identity(&found, device, module, Occasion::Updated))
    }

    /// `DELETE /devices/{id}/modules/{module}`.
    ///
    /// # Errors
    /// As [`Hub::get_module`], and `PreconditionFailed`, also without a precondition.
    pub fn delete_module(&self, device: &str, module: &str, demand: &Precondition) -> Result<(), HubError> {
        demand.demand()?;
        self.remove_module(device, module, demand, Caller::Client)
    }

    pub(super) fn remove_module(
        &self,
        device: &str,
        module: &str,
        demand: &Precondition,
        caller: Caller,
    ) -> Result<(), HubError> {
        let mut devices = self.lock();
        open(&devices, device, caller)?;
        let id = Id::module(device, module);
        let found = devices.find(&id).ok_or_else(|| no_module(device, module))?;
        demand.check_resource(&found.identity().etag())?;
        let mut write = Write::new(Stamp::now());
        write.announce(&found, &id, false);
        write.change(Change::RemoveModule(device.into(), module.into()));
        self.commit(&mut devices, write)?;
        self.sessions.close(&id);
        self.sessions.forget(&id);
        Ok(())
    }
}

/// The device, if it lets the caller at its modules.
fn open(devices: &Devices, device: &str, caller: Caller) -> Result<DeviceRecord, HubError> {
    let found = devices.device(device);
    match caller {
        Caller::Job => found.ok_or_else(|| HubError::no_device(device)),
        Caller::Client => found
            .filter(|device| device.enabled)
            .ok_or_else(|| HubError::new(ErrorCode::IotHubUnauthorizedAccess, "Unauthorized")),
    }
}

fn no_module(device: &str, module: &str) -> HubError {
    HubError::new(ErrorCode::ModuleNotFound, format!("Module {module} on device {device} not registered"))
}

fn already_there(hub: &str, device: &str, module: &str) -> HubError {
    let text = format!("Device {device} in IotHub {hub} already contains Module {module}.");
    HubError::new(ErrorCode::ModuleAlreadyExistsOnDevice, text)
}
