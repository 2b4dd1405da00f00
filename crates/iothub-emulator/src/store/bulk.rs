//! `POST /devices`: up to a hundred identities in one call, each on its own.

use serde_json::{Value, json};
use std::collections::HashSet;

use super::body::IdentityBody;
use super::item::{Item, Mode, read_item};
use super::limits::{self, Nulls, PROPERTIES_BYTES, Rules};
use super::modules::Caller;
use super::{Hub, TwinRecord, TwinVerb, TwinWrite, check_id};
use crate::error::{ErrorCode, HubError};
use crate::stamp::Stamp;

/// Most items in one call (documented).
const MAX_ITEMS: usize = 100;

impl Hub {
    /// Works off a bulk call. Gives whether everything succeeded, and the body to answer with.
    ///
    /// # Errors
    /// When the whole call is refused: `TooManyDevices`, `DeviceDefinedMultipleTimes`, an item that cannot be read.
    pub fn bulk(&self, body: &Value) -> Result<(bool, Value), HubError> {
        let items = read_items(body, self.switches.bulk_create_or_update())?;
        let failures = items.iter().filter_map(|item| Some((item, self.bulk_item(item).err()?)));
        let errors: Vec<Value> = failures.map(|(item, error)| failure(item, &error)).collect();
        let successful = errors.is_empty();
        Ok((successful, json!({"isSuccessful": successful, "errors": errors, "warnings": []})))
    }

    fn bulk_item(&self, item: &Item) -> Result<(), HubError> {
        let done = match item.mode {
            Mode::Create => self.bulk_create(item),
            Mode::Update => self.bulk_update(item),
            Mode::CreateOrUpdate => match self.device_credentials(&item.id) {
                Some(_) => self.bulk_update(item),
                None => self.bulk_create(item),
            },
            Mode::UpdateTwin => self.bulk_update_twin(item),
            Mode::Delete => match &item.id.module {
                None => self.delete_device(&item.id.device, &item.demand),
                Some(module) => self.delete_module(&item.id.device, module, &item.demand),
            },
        };
        // Registry calls on modules of missing devices answer 401 one by one; in bulk an item names its reason.
        done.map_err(|error| match error.code {
            ErrorCode::IotHubUnauthorizedAccess => HubError::no_device(&item.id.device),
            _ => error,
        })
    }

    fn bulk_create(&self, item: &Item) -> Result<(), HubError> {
        check_id(item.id.module.as_ref().unwrap_or(&item.id.device))?;
        let body = IdentityBody::members(&item.members, item.owner())?;
        let reported = self.switches.bulk_create_honours_reported();
        // Observed: desired properties of a device created in bulk have no time, those of a module do.
        let desired_at = if item.id.module.is_none() { Some(Stamp::NEVER) } else { None };
        let content = content(item, reported, desired_at, self.rules(Nulls::Delete))?;
        match &item.id.module {
            None => self.create_device(&item.id.device, body, Some(content)).map(drop),
            Some(module) => {
                let content = Some(content.of_bulk_module());
                self.create_module(&item.id.device, module, body, content, Caller::Client).map(drop)
            }
        }
    }

    fn bulk_update(&self, item: &Item) -> Result<(), HubError> {
        let body = IdentityBody::members(&item.members, item.owner())?;
        match &item.id.module {
            None => self.update_device(&item.id.device, body, &item.demand).map(drop),
            Some(module) => {
                self.update_module(&item.id.device, module, body, &item.demand, Caller::Client).map(drop)
            }
        }
    }

    fn bulk_update_twin(&self, item: &Item) -> Result<(), HubError> {
        let write = TwinWrite::read(&item.body())?;
        let verb = if self.switches.bulk_update_replaces() { TwinVerb::Replace } else { TwinVerb::Merge };
        self.write_twin(&item.id, &write, verb, &item.demand)?;
        match item.reported()? {
            Some(reported) if self.switches.bulk_update_honours_reported() => {
                self.patch_reported(&item.id, Value::Object(reported), None).map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// The twin that a created identity starts with; `desired_at` is when its desired properties, if any, were written.
pub(super) fn content(
    item: &Item,
    honours_reported: bool,
    desired_at: Option<Stamp>,
    rules: Rules,
) -> Result<TwinRecord, HubError> {
    let write = TwinWrite::read(&item.body())?;
    write.check(rules)?;
    write.check_whole()?;
    let reported = item.reported()?.filter(|_| honours_reported).unwrap_or_default();
    limits::check(&reported, rules)?;
    limits::check_whole(&reported, PROPERTIES_BYTES, "reported properties")?;
    let at = Stamp::now();
    let has_desired = write.desired.as_ref().is_some_and(|members| !members.is_empty());
    let desired_at = desired_at.filter(|_| has_desired).unwrap_or(at);
    Ok(TwinRecord::with_content(at, desired_at, write, reported))
}

fn failure(item: &Item, error: &HubError) -> Value {
    json!({"deviceId": item.id.device, "moduleId": item.id.module, "errorCode": error.code.name(),
        "errorStatus": error.message})
}

fn read_items(body: &Value, create_or_update: bool) -> Result<Vec<Item>, HubError> {
    let Value::Array(bodies) = body else {
        return Err(HubError::new(ErrorCode::IotHubFormatError, "the body must be a JSON array"));
    };
    if bodies.len() > MAX_ITEMS {
        let text = format!("{} items are more than {MAX_ITEMS}", bodies.len());
        return Err(HubError::new(ErrorCode::TooManyDevices, text));
    }
    let items = bodies.iter().map(|body| read_item(body, create_or_update)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::new();
    for item in &items {
        if !seen.insert(&item.id) {
            let text = format!("{} is defined more than once", item.id);
            return Err(HubError::new(ErrorCode::DeviceDefinedMultipleTimes, text));
        }
    }
    Ok(items)
}
