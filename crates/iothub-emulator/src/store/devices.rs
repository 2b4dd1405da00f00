//! The devices of a hub and their modules, packed, in the order of their ids.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Bound;

use super::packed::{Depth, Packed, Standing};
use super::{DeviceRecord, Id, IdentityRecord, ModuleRecord};

/// All devices.
#[derive(Debug, Default)]
pub(super) struct Devices {
    by_id: BTreeMap<Box<str>, Stored>,
}

/// A device and, when it has any, its modules.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    device: Packed,
    modules: Option<Box<Modules>>,
}

type Modules = BTreeMap<Box<str>, Packed>;

/// An identity and the device that it is or belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(super) device: DeviceRecord,
    pub(super) module: Option<ModuleRecord>,
}

impl Found {
    /// A device.
    pub(super) fn device(device: DeviceRecord) -> Self {
        Self { device, module: None }
    }

    pub(super) fn identity(&self) -> &IdentityRecord {
        self.module.as_ref().map_or(&self.device.identity, |module| &module.identity)
    }

    pub(super) fn identity_mut(&mut self) -> &mut IdentityRecord {
        self.module.as_mut().map_or(&mut self.device.identity, |module| &mut module.identity)
    }

    /// The change that makes the identity so; of a module, the module alone.
    pub(super) fn put(&self, id: &Id) -> Change {
        match (&id.module, &self.module) {
            (Some(name), Some(module)) => Change::put_module(&id.device, name, module),
            _ => Change::put_device(&id.device, &self.device),
        }
    }
}

/// A change of the registry or of a twin: the whole identity as it is from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    /// A device came or is now so; its modules stay.
    PutDevice(Box<str>, Packed),
    /// A module of a device came or is now so.
    PutModule(Box<str>, Box<str>, Packed),
    /// A device went, and its modules with it.
    RemoveDevice(Box<str>),
    /// A module of a device went.
    RemoveModule(Box<str>, Box<str>),
    /// A configuration came or is now so, as JSON.
    PutConfiguration(Box<str>, Box<str>),
    /// A configuration went.
    RemoveConfiguration(Box<str>),
}

impl Change {
    pub(super) fn put_device(id: &str, device: &DeviceRecord) -> Self {
        Self::PutDevice(id.into(), Packed::device(device))
    }

    pub(super) fn put_module(device: &str, id: &str, module: &ModuleRecord) -> Self {
        Self::PutModule(device.into(), id.into(), Packed::module(module))
    }
}

impl Devices {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn has_device(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn device(&self, id: &str) -> Option<DeviceRecord> {
        self.by_id.get(id)?.device(Depth::Whole)
    }

    pub(super) fn module(&self, device: &str, id: &str) -> Option<ModuleRecord> {
        self.by_id.get(device)?.modules.as_ref()?.get(id)?.to_module(Depth::Whole)
    }

    pub(super) fn find(&self, id: &Id) -> Option<Found> {
        self.by_id.get(id.device.as_str())?.find(id.module.as_deref(), Depth::Whole)
    }

    /// The ids of a device's modules.
    pub(super) fn module_ids(&self, device: &str) -> Vec<&str> {
        self.by_id.get(device).map(|stored| stored.module_ids().collect()).unwrap_or_default()
    }

    /// At most `most` devices from `from` on, in the order of their ids.
    pub(super) fn from(&self, from: Bound<&str>, most: usize) -> impl Iterator<Item = (&str, &Stored)> {
        let rest = self.by_id.range::<str, _>((from, Bound::Unbounded));
        rest.take(most).map(|(id, stored)| (&**id, stored))
    }

    /// One device as it is stored.
    pub(super) fn stored(&self, id: &str) -> Option<&Stored> {
        self.by_id.get(id)
    }

    /// Lets nobody be connected: what a start finds.
    pub(super) fn disconnect_all(&mut self) {
        for stored in self.by_id.values_mut() {
            if stored.standing().is_some_and(|standing| standing.connected)
                && let Some(mut device) = stored.device(Depth::Whole)
            {
                device.identity.connected = false;
                stored.device = Packed::device(&device);
            }
            for packed in stored.modules.iter_mut().flat_map(|modules| modules.values_mut()) {
                if let Some(mut module) =
                    packed.to_module(Depth::Whole).filter(|module| module.identity.connected)
                {
                    module.identity.connected = false;
                    *packed = Packed::module(&module);
                }
            }
        }
    }

    /// Makes a change. A module of a device that is not there goes nowhere.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::PutDevice(id, device) => match self.by_id.get_mut(&id) {
                Some(stored) => stored.device = device,
                None => drop(self.by_id.insert(id, Stored { device, modules: None })),
            },
            Change::PutModule(device, id, module) => {
                if let Some(stored) = self.by_id.get_mut(&device) {
                    stored.modules.get_or_insert_default().insert(id, module);
                }
            }
            Change::RemoveDevice(id) => drop(self.by_id.remove(&id)),
            Change::RemoveModule(device, id) => {
                if let Some(stored) = self.by_id.get_mut(&device)
                    && let Some(modules) = &mut stored.modules
                {
                    modules.remove(&id);
                }
            }
            // Kept elsewhere.
            Change::PutConfiguration(..) | Change::RemoveConfiguration(_) => {}
        }
    }
}

impl Stored {
    pub(super) fn device(&self, depth: Depth) -> Option<DeviceRecord> {
        self.device.to_device(depth)
    }

    pub(super) fn standing(&self) -> Option<Standing> {
        self.device.standing()
    }

    /// The changes that make it, device first.
    pub(super) fn changes(&self, id: &str) -> impl Iterator<Item = Change> {
        let modules = self.modules.iter().flat_map(|modules| modules.iter());
        let modules =
            modules.map(move |(module, packed)| Change::PutModule(id.into(), module.clone(), packed.clone()));
        std::iter::once(Change::PutDevice(id.into(), self.device.clone())).chain(modules)
    }

    pub(super) fn find(&self, module: Option<&str>, depth: Depth) -> Option<Found> {
        match module {
            None => Some(Found::device(self.device(depth)?)),
            Some(id) => {
                let module = self.modules.as_ref()?.get(id)?.to_module(depth)?;
                Some(Found { device: self.device(Depth::Shallow)?, module: Some(module) })
            }
        }
    }

    pub(super) fn module_ids(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().flat_map(|modules| modules.keys()).map(|id| &**id)
    }
}
