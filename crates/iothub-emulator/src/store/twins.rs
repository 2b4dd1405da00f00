//! Twins as the service side reads and writes them.

use serde_json::{Map, Value};

use super::document::twin;
use super::limits::{Nulls, PROPERTIES_BYTES, TAGS_BYTES, check, check_size, check_whole};
use super::{Effect, Hub, Id, Precondition, TwinWrite, identity_mut, without_own_members};
use crate::error::{ErrorCode, HubError};
use crate::events::TwinChanged;
use crate::stamp::Stamp;

/// Merge or replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwinVerb {
    /// `PATCH`.
    Merge,
    /// `PUT`.
    Replace,
}

impl TwinWrite {
    /// Reads the body of a twin write: tags and desired; reported and every read-only member are accepted and
    /// ignored (documented for reported, observed for the others).
    ///
    /// # Errors
    /// `IotHubFormatError` when the body or a section is not an object.
    pub fn read(body: &Value) -> Result<Self, HubError> {
        let Value::Object(body) = body else {
            return Err(HubError::new(ErrorCode::IotHubFormatError, "the body must be a JSON object"));
        };
        let desired = body.get("properties").and_then(|properties| properties.get("desired"));
        Ok(Self {
            tags: section(body.get("tags"), "tags")?,
            desired: section(desired, "properties.desired")?,
        })
    }

    pub(super) fn check(&self, nulls: Nulls) -> Result<(), HubError> {
        self.tags.iter().chain(&self.desired).try_for_each(|members| check(members, nulls))
    }

    pub(super) fn check_whole(&self) -> Result<(), HubError> {
        let none = Map::new();
        check_whole(self.tags.as_ref().unwrap_or(&none), TAGS_BYTES, "tags")?;
        check_whole(self.desired.as_ref().unwrap_or(&none), PROPERTIES_BYTES, "desired properties")
    }
}

pub(super) fn section(value: Option<&Value>, name: &str) -> Result<Option<Map<String, Value>>, HubError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(without_own_members(members))),
        Some(_) => Err(HubError::new(ErrorCode::IotHubFormatError, format!("{name} must be an object"))),
    }
}

impl Hub {
    /// The twin as `GET /twins/…` gives it.
    ///
    /// # Errors
    /// `DeviceNotFound`, also for a missing module (observed).
    pub fn get_twin(&self, id: &Id) -> Result<Value, HubError> {
        let devices = self.lock();
        devices
            .get(&id.device)
            .and_then(|device| twin(device, id, true))
            .ok_or_else(|| HubError::no_device(&id.device))
    }

    /// Writes tags and desired properties; gives the twin afterwards.
    ///
    /// # Errors
    /// `DeviceNotFound`, `PreconditionFailed`, `ArgumentInvalid`.
    pub fn write_twin(
        &self,
        id: &Id,
        write: &TwinWrite,
        verb: TwinVerb,
        demand: &Precondition,
    ) -> Result<Value, HubError> {
        match verb {
            TwinVerb::Merge => write.check(Nulls::Delete)?,
            TwinVerb::Replace => write.check(Nulls::Refused).and_then(|()| write.check_whole())?,
        }
        let at = Stamp::now();
        let mut devices = self.lock();
        let device = devices.get_mut(&id.device).ok_or_else(|| HubError::no_device(&id.device))?;
        let record = &mut identity_mut(device, id).ok_or_else(|| HubError::no_device(&id.device))?.twin;
        demand.check(&record.etag(), &id.device)?;
        let effect = match verb {
            TwinVerb::Merge => {
                let none = Map::new();
                let tags = write.tags.as_ref().unwrap_or(&none);
                let desired = write.desired.as_ref().unwrap_or(&none);
                check_size(&record.tags, tags, TAGS_BYTES, "tags")?;
                check_size(&record.desired.members, desired, PROPERTIES_BYTES, "desired properties")?;
                record.patch(write, at, self.switches.events_carry_nulls())
            }
            TwinVerb::Replace => record.replace(write, at),
        };
        self.spread(id, effect, verb, at);
        twin(device, id, true).ok_or_else(|| HubError::no_device(&id.device))
    }

    /// Tells the event feed and the connected device.
    fn spread(&self, id: &Id, effect: Effect, verb: TwinVerb, at: Stamp) {
        let Effect { mut event, desired, wrote } = effect;
        if !wrote {
            return;
        }
        let replaced = verb == TwinVerb::Replace;
        if let (true, Value::Object(members)) = (replaced, &mut event) {
            members.insert("deviceId".to_owned(), id.device.as_str().into());
            if let Some(module) = &id.module {
                members.insert("moduleId".to_owned(), module.as_str().into());
            }
        }
        self.emitter.twin_changed(TwinChanged { hub: &self.name, id, replaced, body: &event, at });
        if let Some((version, patch)) = desired {
            self.sessions.publish(id, version, patch);
        }
    }

    /// Every identity with its twin, sorted by id: `[{"identity": …, "twin": …}]`, keys included.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Value> {
        use super::document::{Occasion, device_identity, module_identity};
        let devices = self.lock();
        let mut all = Vec::with_capacity(devices.len());
        for (id, device) in devices.iter() {
            let identity = device_identity(device, id, Occasion::Read);
            all.push(serde_json::json!({"identity": identity, "twin": twin(device, &Id::device(id), true)}));
            for (name, module) in &device.modules {
                let identity = module_identity(module, id, name, Occasion::Read);
                all.push(serde_json::json!({"identity": identity, "twin": twin(device, &Id::module(id, name), true)}));
            }
        }
        all
    }
}
