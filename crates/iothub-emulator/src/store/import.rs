//! One line of a file to import, an identity with or without its twin.

use serde_json::{Map, Value};

use super::body::IdentityBody;
use super::bulk::content;
use super::item::{Item, Mode, read_item};
use super::limits::{self, Nulls, PROPERTIES_BYTES, TAGS_BYTES};
use super::modules::Caller;
use super::write::Write;
use super::{Hub, Precondition, TwinRecord, TwinWrite, check_id};
use crate::error::{ErrorCode, HubError};
use crate::stamp::Stamp;

/// Why a line was not imported, or not wholly: an identity may be written although its twin was not (documented).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    /// The device that the line names, if it does.
    pub device: Option<String>,
    /// The module, likewise.
    pub module: Option<String>,
    /// Why.
    pub error: HubError,
}

impl ImportError {
    /// Of a line that names nobody.
    #[must_use]
    pub fn unreadable(error: HubError) -> Self {
        Self { device: None, module: None, error }
    }
}

impl Hub {
    /// Imports a line. Its mode is `createOrUpdate` unless it has one (documented).
    ///
    /// # Errors
    /// Whatever the same write of a client is refused for; `ArgumentNull` without a `status`, whatever the mode
    /// (observed); `ArgumentInvalid` for modules of the edge runtime (observed).
    pub fn import(&self, line: &Value) -> Result<(), ImportError> {
        let item = read_item(line, true).map_err(|error| {
            let device = line.get("id").and_then(Value::as_str).map(str::to_owned);
            ImportError { device, module: None, error }
        })?;
        self.import_item(&item).map_err(|error| ImportError {
            device: Some(item.id.device.clone()),
            module: item.id.module.clone(),
            error,
        })
    }

    fn import_item(&self, item: &Item) -> Result<(), HubError> {
        if item.members.get("status").is_none_or(Value::is_null) {
            return Err(HubError::new(ErrorCode::ArgumentNull, "status is missing"));
        }
        if let Some(module) = item.id.module.as_deref().filter(|module| module.starts_with('$')) {
            return Err(HubError::invalid(format!("The module id '{module}' is reserved")));
        }
        match item.mode {
            Mode::Create => self.import_new(item),
            Mode::Update => self.import_again(item),
            Mode::CreateOrUpdate => match self.import_again(item) {
                Err(error) if is_absent(&error) => self.import_new(item),
                done => done,
            },
            Mode::UpdateTwin => {
                self.import_twin(item, &item.demand, self.switches.import_update_honours_reported())
            }
            Mode::Delete => match &item.id.module {
                None => self.delete_device(&item.id.device, &item.demand),
                Some(module) => self.remove_module(&item.id.device, module, &item.demand, Caller::Job),
            },
        }
    }

    fn import_new(&self, item: &Item) -> Result<(), HubError> {
        check_id(item.id.module.as_ref().unwrap_or(&item.id.device))?;
        let body = IdentityBody::members(&item.members, item.owner())?;
        let mut twin =
            content(item, self.switches.import_honours_reported(), None, self.rules(Nulls::Delete))?;
        twin.adopt_metadata(item.properties("desired"), item.properties("reported"));
        match &item.id.module {
            None => self.create_device(&item.id.device, body, Some(twin)).map(drop),
            Some(module) => {
                self.create_module(&item.id.device, module, body, Some(twin), Caller::Job).map(drop)
            }
        }
    }

    /// An identity that is there, and then its twin, whose precondition is one of its own (documented).
    fn import_again(&self, item: &Item) -> Result<(), HubError> {
        let body = IdentityBody::members(&item.members, item.owner())?;
        match &item.id.module {
            None => self.update_device(&item.id.device, body, &item.demand)?,
            Some(module) => self.update_module(&item.id.device, module, body, &item.demand, Caller::Job)?,
        };
        self.import_twin(item, &item.twin_demand, self.switches.import_honours_reported())
    }

    /// Makes a twin that is there what the line says of it, metadata included.
    fn import_twin(
        &self,
        item: &Item,
        demand: &Precondition,
        honours_reported: bool,
    ) -> Result<(), HubError> {
        let write = TwinWrite::read(&item.body())?;
        let reported = item.reported()?.filter(|_| honours_reported);
        let rules = self.rules(Nulls::Delete);
        write.check(rules)?;
        reported.iter().try_for_each(|members| limits::check(members, rules))?;
        let id = &item.id;
        let (at, nulls) = (Stamp::now(), self.event_nulls());
        let mut devices = self.lock();
        let mut found = devices.find(id).ok_or_else(|| HubError::no_device(&id.device))?;
        let twin = &mut found.identity_mut().twin;
        demand.check(&twin.etag(), &id.device)?;
        let (write, reported) = match self.switches.import_replaces() {
            true => twin.instead(&write, reported.as_ref()),
            false => (write, reported),
        };
        check_sizes(twin, &write, reported.as_ref())?;
        if write.tags.is_none() && write.desired.is_none() && reported.is_none() {
            return Ok(());
        }
        let effect = twin.patch(&write, at, nulls);
        let told = reported.map(|patch| twin.report(&patch, at, nulls));
        twin.adopt_metadata(
            item.properties("desired"),
            item.properties("reported").filter(|_| told.is_some()),
        );
        let mut change = Write::new(at);
        change.change(found.put(id));
        if effect.wrote {
            change.tell(id, false, effect.event);
        }
        if let Some(body) = told {
            change.tell(id, false, body);
        }
        self.commit(&mut devices, change)?;
        if let Some((version, patch)) = effect.desired {
            self.sessions.publish(id, version, patch);
        }
        Ok(())
    }
}

fn is_absent(error: &HubError) -> bool {
    matches!(error.code, ErrorCode::DeviceNotFound | ErrorCode::ModuleNotFound)
}

fn check_sizes(
    twin: &TwinRecord,
    write: &TwinWrite,
    reported: Option<&Map<String, Value>>,
) -> Result<(), HubError> {
    let all = [
        (&twin.tags, write.tags.as_ref(), TAGS_BYTES, "tags"),
        (&twin.desired.members, write.desired.as_ref(), PROPERTIES_BYTES, "desired properties"),
        (&twin.reported.members, reported, PROPERTIES_BYTES, "reported properties"),
    ];
    all.into_iter().try_for_each(|(old, patch, most, what)| {
        patch.map_or(Ok(()), |patch| limits::check_size(old, patch, most, what))
    })
}
