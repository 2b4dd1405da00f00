//! One identity of a bulk call or of a file to import.

use serde_json::{Map, Value};

use super::authentication::Owner;
use super::twins::section;
use super::{Id, Precondition};
use crate::error::{ErrorCode, HubError};

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

/// What is to be done with an identity, `importMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Create,
    Update,
    CreateOrUpdate,
    Delete,
    UpdateTwin,
}

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: Id,
    pub(super) mode: Mode,
    /// The precondition on identity or twin; `Any` unless the mode is one of the `…IfMatchETag` ones and a tag is
    /// given (a missing tag is no precondition: observed for deletions).
    pub(super) demand: Precondition,
    /// The same for the twin of an identity that is written together with it.
    pub(super) twin_demand: Precondition,
    pub(super) members: Map<String, Value>,
}

impl Item {
    /// Whose authentication it has.
    pub(super) fn owner(&self) -> Owner {
        if self.id.module.is_some() { Owner::Module } else { Owner::Device }
    }

    /// Its reported properties.
    pub(super) fn reported(&self) -> Result<Option<Map<String, Value>>, HubError> {
        section(self.properties("reported"), "properties.reported")
    }

    /// A section of its properties as it was sent.
    pub(super) fn properties(&self, section: &str) -> Option<&Value> {
        self.members.get("properties").and_then(|properties| properties.get(section))
    }

    /// Its members as a body.
    pub(super) fn body(&self) -> Value {
        Value::Object(self.members.clone())
    }
}

/// Reads one item, its member names and its mode in any case.
pub(super) fn read_item(body: &Value, create_or_update: bool) -> Result<Item, HubError> {
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
    let demand = |name: &str| match Precondition::for_identity(text(name).filter(|_| conditional)) {
        Precondition::Absent => Precondition::Any,
        demand => demand,
    };
    let twin_demand = demand("twinETag");
    let demand = if mode == Mode::UpdateTwin { twin_demand.clone() } else { demand("eTag") };
    let id = Id { device: device.to_owned(), module: text("moduleId").map(str::to_owned) };
    Ok(Item { id, mode, demand, twin_demand, members })
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
