//! Twins as the service side reads and writes them.

use serde_json::{Map, Value};
use std::ops::Bound;

use super::body::without_own_members;
use super::devices::{Change, Devices};
use super::document::twin;
use super::limits::{Nulls, PROPERTIES_BYTES, Rules, TAGS_BYTES, check, check_size, check_whole};
use super::packed::Depth;
use super::write::Write;
use super::{Cleared, Effect, EventNulls, Hub, Id, Precondition, TwinWrite};
use crate::error::{ErrorCode, HubError};
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
            cleared: Cleared::default(),
        })
    }

    /// [`TwinWrite::read`] for a patch, in which `null` in place of a section takes all of it away (the Node client's
    /// end-to-end tests rely on it; for bulk calls and jobs, whose clients write `null` for what they leave out, it is
    /// nothing).
    ///
    /// # Errors
    /// As [`TwinWrite::read`].
    pub fn read_patch(body: &Value) -> Result<Self, HubError> {
        let cleared = Cleared {
            tags: body.get("tags").is_some_and(Value::is_null),
            desired: body.pointer("/properties/desired").is_some_and(Value::is_null),
        };
        Ok(Self { cleared, ..Self::read(body)? })
    }

    pub(super) fn check(&self, rules: Rules) -> Result<(), HubError> {
        self.tags.iter().chain(&self.desired).try_for_each(|members| check(members, rules))
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
    /// What a section may hold here.
    pub(super) fn rules(&self, nulls: Nulls) -> Rules {
        Rules { nulls, any_integer: !self.switches.wide_integers_refused() }
    }

    /// How this hub's events show what was taken away.
    pub(super) fn event_nulls(&self) -> EventNulls {
        EventNulls {
            members: self.switches.events_carry_nulls(),
            sections: self.switches.events_carry_null_sections(),
        }
    }

    /// The twin as `GET /twins/…` gives it.
    ///
    /// # Errors
    /// `DeviceNotFound`, also for a missing module (observed).
    pub fn get_twin(&self, id: &Id) -> Result<Value, HubError> {
        let found = self.lock().find(id).ok_or_else(|| HubError::no_device(&id.device))?;
        Ok(twin(&found, id, true))
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
            TwinVerb::Merge => write.check(self.rules(Nulls::Delete))?,
            TwinVerb::Replace => {
                write.check(self.rules(Nulls::Refused)).and_then(|()| write.check_whole())?;
            }
        }
        let at = Stamp::now();
        let mut devices = self.lock();
        let mut found = devices.find(id).ok_or_else(|| HubError::no_device(&id.device))?;
        let record = &mut found.identity_mut().twin;
        demand.check(&record.etag(), &id.device)?;
        let effect = match verb {
            TwinVerb::Merge => {
                let none = Map::new();
                let tags = write.tags.as_ref().unwrap_or(&none);
                let desired = write.desired.as_ref().unwrap_or(&none);
                check_size(&record.tags, tags, TAGS_BYTES, "tags")?;
                check_size(&record.desired.members, desired, PROPERTIES_BYTES, "desired properties")?;
                record.patch(&self.cleared(write), at, self.event_nulls())
            }
            TwinVerb::Replace => record.replace(write, at),
        };
        if effect.wrote {
            let change = found.put(id);
            self.spread(&mut devices, id, effect, verb, change, at)?;
        }
        Ok(twin(&found, id, true))
    }

    /// The write as this hub takes it.
    fn cleared(&self, write: &TwinWrite) -> TwinWrite {
        let cleared = if self.switches.null_clears_section() { write.cleared } else { Cleared::default() };
        TwinWrite { cleared, ..write.clone() }
    }

    /// Makes the write take effect, telling the event feed and the connected device.
    fn spread(
        &self,
        devices: &mut Devices,
        id: &Id,
        effect: Effect,
        verb: TwinVerb,
        change: Change,
        at: Stamp,
    ) -> Result<(), HubError> {
        let Effect { mut event, desired, .. } = effect;
        let replaced = verb == TwinVerb::Replace;
        if let (true, Value::Object(members)) = (replaced, &mut event) {
            members.insert("deviceId".to_owned(), id.device.as_str().into());
            if let Some(module) = &id.module {
                members.insert("moduleId".to_owned(), module.as_str().into());
            }
        }
        let mut write = Write::new(at);
        write.change(change);
        write.tell(id, replaced, event);
        self.commit(devices, write)?;
        if let Some((version, patch)) = desired {
            self.sessions.publish(id, version, patch);
        }
        Ok(())
    }

    /// Every identity with its twin, sorted by id: `[{"identity": …, "twin": …}]`, keys included.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Value> {
        use super::document::{Occasion, device_identity, module_identity};
        let mut all = Vec::with_capacity(self.lock().len());
        self.each_device(Bound::Unbounded, &mut |device, stored| {
            let modules = stored.module_ids().map(|module| Id::module(device, module));
            for id in std::iter::once(Id::device(device)).chain(modules) {
                let Some(found) = stored.find(id.module.as_deref(), Depth::Whole) else { continue };
                let identity = match (&id.module, &found.module) {
                    (Some(name), Some(module)) => module_identity(module, device, name, Occasion::Read),
                    _ => device_identity(&found.device, device, Occasion::Read),
                };
                all.push(serde_json::json!({"identity": identity, "twin": twin(&found, &id, true)}));
            }
            true
        });
        all
    }
}
