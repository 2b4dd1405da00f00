//! What one edge device is to run: `applyConfigurationContent`, which writes its twins at once and makes and removes
//! modules.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

use super::authentication::Authentication;
use super::devices::{Change, Devices, Found};
use super::limits::{Nulls, PROPERTIES_BYTES, Rules, check, check_size};
use super::merge::replacement_patch;
use super::modules::MAX_MODULES;
use super::registry::EDGE_MODULES;
use super::twins::section;
use super::write::Write;
use super::{EventNulls, Hub, Id, IdentityRecord, ModuleRecord, TwinRecord, TwinWrite, check_id};
use crate::error::{ErrorCode, HubError};
use crate::stamp::Stamp;

/// Who manages the modules of a deployment (documented).
const MANAGER: &str = "iotEdge";
/// The module whose desired properties list the others, without the two of the runtime.
const AGENT: &str = "$edgeAgent";

/// What content says of one twin: values by their path in the desired properties; the empty path is all of them
/// (documented).
#[derive(Debug, Default)]
struct Desired(BTreeMap<Vec<String>, Value>);

/// The content for one edge device.
#[derive(Debug)]
struct Deployment {
    device: Desired,
    modules: BTreeMap<String, Desired>,
}

/// What was written to a twin, for whoever is connected.
type Told = (Id, u64, Map<String, Value>);

impl Desired {
    fn read(content: &Value) -> Result<Self, HubError> {
        let Value::Object(members) = content else {
            return Err(HubError::invalid("the content of a twin must be an object"));
        };
        let values = members.iter().map(|(name, value)| match name.strip_prefix("properties.desired") {
            Some("") => {
                let all = section(Some(value), name)?.unwrap_or_default();
                Ok((Vec::new(), Value::Object(all)))
            }
            Some(path) if path.starts_with('.') => {
                Ok((path.split('.').skip(1).map(str::to_owned).collect(), value.clone()))
            }
            _ => Err(HubError::invalid(format!("'{name}' is not of the desired properties"))),
        });
        values.collect::<Result<_, _>>().map(Self)
    }

    fn is_whole(&self) -> bool {
        self.0.contains_key(&Vec::new())
    }

    /// The merge patch that makes these members so.
    fn patch(&self, old: &Map<String, Value>) -> Map<String, Value> {
        let mut patch = Map::new();
        for (path, value) in &self.0 {
            let before = path.iter().try_fold(old, |members, name| members.get(name)?.as_object());
            let value = match (before, value) {
                (Some(before), Value::Object(value)) => Value::Object(replacement_patch(before, value)),
                _ => value.clone(),
            };
            put(&mut patch, path, value);
        }
        patch
    }
}

/// Sets what is at `path`, with objects on the way.
fn put(members: &mut Map<String, Value>, path: &[String], value: Value) {
    match (path, value) {
        ([], Value::Object(all)) => *members = all,
        ([], _) => {}
        ([name], value) => drop(members.insert(name.clone(), value)),
        ([name, rest @ ..], value) => {
            let inner = members.entry(name.clone()).or_insert(Value::Null);
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

impl Deployment {
    fn read(content: &Value) -> Result<Self, HubError> {
        let part = |name: &str| content.get(name).filter(|part| !part.is_null());
        let (device, modules) = (part("deviceContent"), part("modulesContent"));
        if device.is_none() && modules.is_none() {
            return Err(HubError::new(ErrorCode::ArgumentNull, "the content is missing"));
        }
        let modules = match modules {
            None => Map::new(),
            Some(Value::Object(modules)) => modules.clone(),
            Some(_) => return Err(HubError::invalid("modulesContent must be an object")),
        };
        let one = |(name, content): (&String, &Value)| Ok((module_id(name)?, Desired::read(content)?));
        Ok(Self {
            device: device.map(Desired::read).transpose()?.unwrap_or_default(),
            modules: modules.iter().map(one).collect::<Result<_, _>>()?,
        })
    }

    /// Whether it says all that the device is to run, so that nothing else of a deployment stays.
    fn is_whole(&self) -> bool {
        self.modules.get(AGENT).is_some_and(Desired::is_whole)
    }
}

/// The modules that the agent is to run.
fn listed(agent: &Found) -> Result<Vec<String>, HubError> {
    let modules = agent.identity().twin.desired.members.get("modules").and_then(Value::as_object);
    modules.into_iter().flat_map(Map::keys).map(|name| module_id(name)).collect()
}

fn module_id(name: &str) -> Result<String, HubError> {
    check_id(name)?;
    if name.starts_with('$') && !EDGE_MODULES.contains(&name) {
        return Err(HubError::invalid(format!("The module id '{name}' is reserved")));
    }
    Ok(name.to_owned())
}

impl Hub {
    /// `POST /devices/{id}/applyConfigurationContent`: writes the twins of the device and its modules, makes the modules
    /// that the content and `$edgeAgent` name, and removes those of an earlier deployment that a whole new one does not
    /// (which modules come and go is asserted by the tests of the Azure CLI; that only modules of deployments go is
    /// inferred, as is how events tell of it).
    ///
    /// # Errors
    /// `DeviceNotFound`, `ArgumentInvalid` for a device that is no edge device (documented) and for content that cannot
    /// be, `ArgumentNull` without content, `TooManyModulesOnDevice`.
    pub fn apply_content(&self, device: &str, content: &Value) -> Result<(), HubError> {
        let deployment = Deployment::read(content)?;
        let mut devices = self.lock();
        let owner = devices.find(&Id::device(device)).ok_or_else(|| HubError::no_device(device))?;
        if !owner.device.is_edge() {
            return Err(HubError::invalid(format!("Device {device} is not an edge device")));
        }
        let mut deploying = Deploying {
            devices: &devices,
            owner,
            device,
            rules: self.rules(Nulls::Delete),
            nulls: self.event_nulls(),
            at: Stamp::unique_now(),
            told: Vec::new(),
        };
        let mut write = Write::new(deploying.at);
        let removed = deploying.run(&deployment, &mut write)?;
        let told = deploying.told;
        self.commit(&mut devices, write)?;
        told.into_iter().for_each(|(id, version, patch)| self.sessions.publish(&id, version, patch));
        for id in removed {
            self.sessions.close(&id);
            self.sessions.forget(&id);
        }
        Ok(())
    }
}

/// One deployment on its way into a write.
struct Deploying<'a> {
    devices: &'a Devices,
    owner: Found,
    device: &'a str,
    rules: Rules,
    nulls: EventNulls,
    at: Stamp,
    told: Vec<Told>,
}

impl Deploying<'_> {
    /// Gives the modules that go.
    fn run(&mut self, deployment: &Deployment, write: &mut Write) -> Result<Vec<Id>, HubError> {
        let id = Id::device(self.device);
        if !deployment.device.0.is_empty() {
            let mut owner = self.owner.clone();
            self.write_twin(&id, &mut owner, &deployment.device, write)?;
            self.owner = owner;
        }
        let mut named: BTreeSet<String> = deployment.modules.keys().cloned().collect();
        // The agent first: it names the others.
        let nothing = Desired::default();
        if let Some(agent) = deployment.modules.get(AGENT) {
            named.extend(listed(&self.write_module(AGENT, agent, write)?)?);
        }
        for name in named.iter().filter(|name| *name != AGENT) {
            self.write_module(name, deployment.modules.get(name).unwrap_or(&nothing), write)?;
        }
        let there = self.devices.module_ids(self.device);
        let gone = there.iter().filter(|name| deployment.is_whole() && !named.contains(**name));
        let removed: Vec<Id> = gone.filter_map(|name| self.remove(name, write)).collect();
        let new = named.iter().filter(|name| !there.contains(&name.as_str())).count();
        if there.len() + new - removed.len() > MAX_MODULES {
            let text = format!("Device {} may have {MAX_MODULES} modules", self.device);
            return Err(HubError::new(ErrorCode::TooManyModulesOnDevice, text));
        }
        Ok(removed)
    }

    /// Makes the module if it is not there, and writes its twin.
    fn write_module(&mut self, name: &str, content: &Desired, write: &mut Write) -> Result<Found, HubError> {
        let id = Id::module(self.device, name);
        let mut module = match self.devices.find(&id) {
            Some(module) => module,
            None => self.new_module(&id, write),
        };
        if !content.0.is_empty() {
            self.write_twin(&id, &mut module, content, write)?;
        }
        Ok(module)
    }

    fn new_module(&self, id: &Id, write: &mut Write) -> Found {
        let of_runtime = id.module.as_ref().is_some_and(|name| name.starts_with('$'));
        let keys = if of_runtime { Authentication::none() } else { Authentication::minted() };
        let identity = IdentityRecord::new(self.at, keys, TwinRecord::of_module());
        let module = ModuleRecord { identity, managed_by: Some(MANAGER.to_owned()) };
        let found = Found { device: self.owner.device.clone(), module: Some(module) };
        write.change(found.put(id));
        write.announce(&found, id, true);
        found
    }

    fn write_twin(
        &mut self,
        id: &Id,
        found: &mut Found,
        content: &Desired,
        write: &mut Write,
    ) -> Result<(), HubError> {
        let twin = &mut found.identity_mut().twin;
        let patch = content.patch(&twin.desired.members);
        check(&patch, self.rules)?;
        check_size(&twin.desired.members, &patch, PROPERTIES_BYTES, "desired properties")?;
        let sections = TwinWrite { desired: Some(patch), ..TwinWrite::default() };
        let effect = twin.patch(&sections, self.at, self.nulls);
        write.change(found.put(id));
        write.tell(id, false, effect.event);
        self.told.extend(effect.desired.map(|(version, patch)| (id.clone(), version, patch)));
        Ok(())
    }

    /// Removes a module of an earlier deployment.
    fn remove(&self, name: &str, write: &mut Write) -> Option<Id> {
        let id = Id::module(self.device, name);
        let found = self.devices.find(&id)?;
        let managed = found.module.as_ref()?.managed_by.as_deref() == Some(MANAGER);
        if !managed || EDGE_MODULES.contains(&name) {
            return None;
        }
        write.announce(&found, &id, false);
        write.change(Change::RemoveModule(self.device.into(), name.into()));
        Some(id)
    }
}
