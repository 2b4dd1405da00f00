//! Automatic configurations: kept, listed, exported and imported, and never applied to a twin.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Precondition;
use super::configuration::{Configuration, ConfigurationBody, check_metric_text, check_target, member, text};
use super::devices::Change;
use super::journaled::{encode, unkept};
use crate::error::{ErrorCode, HubError};
use crate::events::Emitter;

/// Most configurations of a hub (documented for paid tiers).
const MAX_CONFIGURATIONS: usize = 100;

/// All configurations of a hub.
#[derive(Debug)]
pub struct Configurations {
    by_id: Mutex<BTreeMap<String, Configuration>>,
    hub: String,
    emitter: Arc<Emitter>,
}

impl Configurations {
    pub(super) fn new(hub: &str, emitter: Arc<Emitter>) -> Self {
        Self { by_id: Mutex::default(), hub: hub.to_owned(), emitter }
    }

    /// Puts back what was kept.
    pub(super) fn restore(&mut self, kept: BTreeMap<String, Configuration>) {
        self.by_id = Mutex::new(kept);
    }

    /// Every configuration as a change that makes it.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.lock().iter().filter_map(|(id, found)| change(id, Some(found)).ok()).collect()
    }

    /// The one way a configuration comes, changes (`Some`) or goes (`None`).
    fn write(
        &self,
        all: &mut BTreeMap<String, Configuration>,
        id: &str,
        new: Option<Configuration>,
    ) -> Result<(), HubError> {
        let changes = || encode(&[change(id, new.as_ref())?]);
        self.emitter.publish(&self.hub, &changes, &[]).map_err(|error| unkept(&error))?;
        match new {
            Some(new) => drop(all.insert(id.to_owned(), new)),
            None => drop(all.remove(id)),
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Configuration>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration of that id.
    ///
    /// # Errors
    /// `ConfigurationNotFound`.
    pub fn get(&self, id: &str) -> Result<Value, HubError> {
        self.lock().get(id).map(Configuration::to_json).ok_or_else(|| not_found(id))
    }

    /// All of them by id.
    #[must_use]
    pub fn list(&self) -> Vec<Value> {
        self.lock().values().map(Configuration::to_json).collect()
    }

    /// `PUT /configurations/{id}`: creates without a precondition, updates with one.
    ///
    /// # Errors
    /// `ConfigurationAlreadyExists`, `ConfigurationNotFound`, `PreconditionFailed`, `IotHubQuotaExceeded`,
    /// `ArgumentNull` and `ArgumentInvalid`.
    pub fn put(&self, id: &str, body: &Value, demand: &Precondition) -> Result<Value, HubError> {
        let body = ConfigurationBody::read(id, body)?;
        let mut all = self.lock();
        let new = match (all.get(id), demand) {
            (Some(_), Precondition::Absent) => return Err(already_there(id)),
            (None, Precondition::Absent) => newcomer(&all, id, body)?,
            (None, _) => return Err(not_found(id)),
            (Some(found), demand) => {
                demand.check_resource(&found.etag())?;
                found.updated(body)
            }
        };
        let answer = new.to_json();
        self.write(&mut all, id, Some(new))?;
        Ok(answer)
    }

    /// `DELETE /configurations/{id}`; no precondition is needed.
    ///
    /// # Errors
    /// `ConfigurationNotFound`, `PreconditionFailed`.
    pub fn delete(&self, id: &str, demand: &Precondition) -> Result<(), HubError> {
        let mut all = self.lock();
        let found = all.get(id).ok_or_else(|| not_found(id))?;
        demand.check_resource(&found.etag())?;
        self.write(&mut all, id, None)
    }

    /// One line of a file to import: creates, or updates when the line's ETag is the current one or there is none
    /// (documented as the one import mode of configurations; the missing ETag is inferred).
    ///
    /// # Errors
    /// The id, when it is known, and what a PUT answers.
    pub fn import(&self, line: &Value) -> Result<(), (Option<String>, HubError)> {
        let Value::Object(members) = line else {
            let error = HubError::new(ErrorCode::IotHubFormatError, "a line must be a JSON object");
            return Err((None, error));
        };
        let id = text(members, "id").ok().flatten();
        let Some(id) = id else {
            return Err((None, HubError::new(ErrorCode::ArgumentNull, "a configuration needs an id")));
        };
        self.import_members(&id, members, line).map_err(|error| (Some(id), error))
    }

    fn import_members(&self, id: &str, members: &Map<String, Value>, line: &Value) -> Result<(), HubError> {
        let mode = text(members, "importMode")?;
        if mode.is_some_and(|mode| !mode.eq_ignore_ascii_case("createOrUpdateIfMatchETag")) {
            return Err(HubError::invalid("importMode of a configuration is createOrUpdateIfMatchETag"));
        }
        let etag = text(members, "etag")?.unwrap_or_else(|| "*".to_owned());
        match self.put(id, line, &Precondition::Absent) {
            Err(error) if error.code == ErrorCode::ConfigurationAlreadyExists => {
                self.put(id, line, &Precondition::for_identity(Some(&etag))).map(drop)
            }
            done => done.map(drop),
        }
    }
}

fn change(id: &str, new: Option<&Configuration>) -> io::Result<Change> {
    Ok(match new {
        Some(new) => Change::PutConfiguration(id.into(), serde_json::to_string(new)?.into()),
        None => Change::RemoveConfiguration(id.into()),
    })
}

fn newcomer(
    all: &BTreeMap<String, Configuration>,
    id: &str,
    body: ConfigurationBody,
) -> Result<Configuration, HubError> {
    if all.len() >= MAX_CONFIGURATIONS {
        let text = format!("A hub may have {MAX_CONFIGURATIONS} configurations at most");
        return Err(HubError::new(ErrorCode::IotHubQuotaExceeded, text));
    }
    Ok(Configuration::new(id, body))
}

/// `POST /configurations/testQueries`: what is wrong with a target condition and with metrics (documented).
///
/// # Errors
/// `IotHubFormatError` when the body is no object.
pub fn test_queries(body: &Value) -> Result<Value, HubError> {
    let Value::Object(members) = body else {
        return Err(HubError::new(ErrorCode::IotHubFormatError, "the body must be a JSON object"));
    };
    let target = text(members, "targetCondition")?.unwrap_or_default();
    let target = check_target(&target).err().map(|error| error.message);
    let metrics = member(members, "customMetricQueries").and_then(Value::as_object);
    let wrong = metrics.into_iter().flatten().filter_map(|(name, query)| {
        let error = check_metric_text(query.as_str().unwrap_or_default()).err()?;
        Some((name.clone(), error.message.into()))
    });
    Ok(json!({"targetConditionError": target, "customMetricQueryErrors": wrong.collect::<Map<_, _>>()}))
}

fn not_found(id: &str) -> HubError {
    HubError::new(ErrorCode::ConfigurationNotFound, format!("Configuration {id} not found"))
}

fn already_there(id: &str) -> HubError {
    HubError::new(
        ErrorCode::ConfigurationAlreadyExists,
        format!("Configuration with ID '{id}' already exists."),
    )
}
