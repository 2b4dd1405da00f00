//! `POST /devices`: up to a hundred identities in one call, each on its own.

use serde_json::{Map, Value, json};
use std::collections::HashSet;

use super::authentication::Owner;
use super::body::IdentityBody;
use super::limits::{self, Nulls, PROPERTIES_BYTES};
use super::twins::section;
use super::{Hub, Id, Precondition, TwinRecord, TwinVerb, TwinWrite, check_id};
use crate::error::{ErrorCode, HubError};
use crate::stamp::Stamp;

/// Most items in one call (documented).
const MAX_ITEMS: usize = 100;

/// Member names as they are read; clients spell them in several ways (observed).
const NAMES: [&str; 14] = [
    "id",
    "moduleId",
    "importMode",
    "eTag",
    "twinETag",
    "status",
    "statusReason",
    "authentication",
    "tags",
    "properties",
    "capabilities",
    "deviceScope",
    "parentScopes",
    "managedBy",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Create,
    Update,
    CreateOrUpdate,
    Delete,
    UpdateTwin,
}

/// One item of the call.
struct Item {
    id: Id,
    mode: Mode,
    /// The precondition on identity or twin; `Any` unless the mode is one of the `…IfMatchETag` ones and a tag is
    /// given (a missing tag is no precondition: observed for deletions).
    demand: Precondition,
    members: Map<String, Value>,
}

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
        let body = IdentityBody::members(&item.members, owner(item))?;
        let content = self.content(item)?;
        match &item.id.module {
            None => self.create_device(&item.id.device, body, Some(content)).map(drop),
            Some(module) => self.create_module(&item.id.device, module, body, Some(content)).map(drop),
        }
    }

    /// The twin that a created identity starts with.
    fn content(&self, item: &Item) -> Result<TwinRecord, HubError> {
        let write = TwinWrite::read(&Value::Object(item.members.clone()))?;
        write.check(Nulls::Delete)?;
        write.check_whole()?;
        let reported = reported(item)?.filter(|_| self.switches.bulk_create_honours_reported());
        let reported = reported.unwrap_or_default();
        limits::check(&reported, Nulls::Delete)?;
        limits::check_whole(&reported, PROPERTIES_BYTES, "reported properties")?;
        let at = Stamp::now();
        // Observed: desired properties of a device created in bulk have no time, those of a module do.
        let timeless =
            item.id.module.is_none() && write.desired.as_ref().is_some_and(|members| !members.is_empty());
        Ok(TwinRecord::with_content(at, if timeless { Stamp::NEVER } else { at }, write, reported))
    }

    fn bulk_update(&self, item: &Item) -> Result<(), HubError> {
        let body = IdentityBody::members(&item.members, owner(item))?;
        match &item.id.module {
            None => self.update_device(&item.id.device, body, &item.demand).map(drop),
            Some(module) => self.update_module(&item.id.device, module, body, &item.demand).map(drop),
        }
    }

    fn bulk_update_twin(&self, item: &Item) -> Result<(), HubError> {
        let write = TwinWrite::read(&Value::Object(item.members.clone()))?;
        let verb = if self.switches.bulk_update_replaces() { TwinVerb::Replace } else { TwinVerb::Merge };
        self.write_twin(&item.id, &write, verb, &item.demand)?;
        match reported(item)? {
            Some(reported) if self.switches.bulk_update_honours_reported() => {
                self.patch_reported(&item.id, Value::Object(reported), None).map(drop)
            }
            _ => Ok(()),
        }
    }
}

fn owner(item: &Item) -> Owner {
    if item.id.module.is_some() { Owner::Module } else { Owner::Device }
}

fn reported(item: &Item) -> Result<Option<Map<String, Value>>, HubError> {
    let found = item.members.get("properties").and_then(|properties| properties.get("reported"));
    section(found, "properties.reported")
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

fn read_item(body: &Value, create_or_update: bool) -> Result<Item, HubError> {
    let Value::Object(body) = body else {
        return Err(HubError::new(ErrorCode::IotHubFormatError, "an item must be a JSON object"));
    };
    let canonical = |name: &str| NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name));
    let members =
        body.iter().map(|(name, value)| (canonical(name).unwrap_or(name).to_owned(), value.clone()));
    let members: Map<String, Value> = members.collect();
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let device = text("id").ok_or_else(|| HubError::new(ErrorCode::ArgumentNull, "an item needs an id"))?;
    let (mode, conditional) = read_mode(text("importMode"), create_or_update)?;
    let tag = if mode == Mode::UpdateTwin { text("twinETag") } else { text("eTag") };
    let demand = match Precondition::for_identity(tag.filter(|_| conditional)) {
        Precondition::Absent => Precondition::Any,
        demand => demand,
    };
    let id = Id { device: device.to_owned(), module: text("moduleId").map(str::to_owned) };
    Ok(Item { id, mode, demand, members })
}

/// The mode, and whether it looks at the ETag. A missing mode means `createOrUpdate` (documented for import).
fn read_mode(mode: Option<&str>, create_or_update: bool) -> Result<(Mode, bool), HubError> {
    let text = mode.unwrap_or("createOrUpdate").to_ascii_lowercase();
    let (name, conditional) = match text.strip_suffix("ifmatchetag") {
        Some(name) => (name, true),
        None => (text.as_str(), false),
    };
    let mode = match name {
        "create" if !conditional => Mode::Create,
        "update" => Mode::Update,
        "createorupdate" if create_or_update => Mode::CreateOrUpdate,
        "delete" => Mode::Delete,
        "updatetwin" => Mode::UpdateTwin,
        _ => return Err(HubError::invalid(format!("importMode '{text}' is not valid"))),
    };
    Ok((mode, conditional))
}
