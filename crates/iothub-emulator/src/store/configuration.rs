//! One automatic configuration and the bodies it is read from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::query::Query;
use crate::error::{ErrorCode, HubError};
use crate::stamp::Stamp;

/// Longest id, in characters (documented).
const MAX_ID_CHARS: usize = 128;

/// Largest configuration as JSON, in bytes (inferred: it must hold the desired properties of fifty modules).
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// What a configuration's content may consist of (documented).
const CONTENTS: [&str; 3] = ["deviceContent", "modulesContent", "moduleContent"];

/// A configuration as the hub keeps it. Its content never changes (observed).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    id: String,
    schema_version: Option<String>,
    labels: Option<Map<String, Value>>,
    content: Value,
    target_condition: String,
    created_time_utc: String,
    last_updated_time_utc: String,
    priority: i64,
    queries: Map<String, Value>,
    counter: u64,
}

impl Configuration {
    /// A new configuration.
    pub(super) fn new(id: &str, body: ConfigurationBody) -> Self {
        let now = Stamp::now().to_string();
        Self {
            id: id.to_owned(),
            schema_version: body.schema_version,
            labels: body.labels,
            content: body.content,
            target_condition: body.target_condition,
            created_time_utc: now.clone(),
            last_updated_time_utc: now,
            priority: body.priority,
            queries: body.queries,
            counter: 1,
        }
    }

    /// The same with what a body changes: everything but the content, whose change is ignored (observed).
    #[must_use]
    pub(super) fn updated(&self, body: ConfigurationBody) -> Self {
        Self {
            id: self.id.clone(),
            content: self.content.clone(),
            created_time_utc: self.created_time_utc.clone(),
            counter: self.counter + 1,
            ..Self::new(&self.id, body)
        }
    }

    /// The ETag without quotes: base64 of a decimal counter (inferred; documented only as opaque).
    #[must_use]
    pub fn etag(&self) -> String {
        STANDARD.encode(self.counter.to_string())
    }

    /// As the hub prints it. Metrics have no results: no configuration is applied by itself here.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"id": self.id, "schemaVersion": self.schema_version, "labels": self.labels, "content": self.content,
            "targetCondition": self.target_condition, "createdTimeUtc": self.created_time_utc,
            "lastUpdatedTimeUtc": self.last_updated_time_utc, "priority": self.priority,
            "systemMetrics": {"results": {}, "queries": self.system_queries()}, "metrics": {"results": {}, "queries": self.queries},
            "etag": self.etag()})
    }
}

impl Configuration {
    /// The hub's own metrics: recorded for devices, seen by others for edge deployments, inferred for modules.
    fn system_queries(&self) -> Value {
        let applied = format!("configurations.[[{}]].status = 'Applied'", self.id);
        if self.content.get("modulesContent").is_some() {
            return self.queries_of_edge(&applied);
        }
        let condition = self.target_condition.trim();
        if self.content.get("moduleContent").is_some() {
            return json!({"targetedCount": format!("select deviceId, moduleId {condition}").trim_end(),
                "appliedCount": format!("select deviceId, moduleId from devices.modules where {applied}")});
        }
        let targeted = match condition {
            "" | "*" => "select deviceId from devices".to_owned(),
            condition => format!("select deviceId from devices where {condition}"),
        };
        json!({"targetedCount": targeted,
            "appliedCount": format!("select deviceId from devices where {applied}")})
    }

    fn queries_of_edge(&self, applied: &str) -> Value {
        let targeted = "select deviceId from devices where capabilities.iotEdge = true";
        let targeted = match self.target_condition.trim() {
            "" | "*" => targeted.to_owned(),
            condition => format!("{targeted} and {condition}"),
        };
        let applied =
            format!("select deviceId from devices.modules where moduleId = '$edgeAgent' and {applied}");
        let reported =
            format!("{applied} and properties.desired.$version = properties.reported.lastDesiredVersion");
        let status = "properties.reported.lastDesiredStatus.code";
        json!({"targetedCount": targeted, "appliedCount": applied,
            "reportedSuccessfulCount": format!("{reported} and {status} = 200"),
            "reportedFailedCount": format!("{reported} and {status} != 200")})
    }
}

/// What a caller wants of a configuration; read-only members are not in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConfigurationBody {
    schema_version: Option<String>,
    labels: Option<Map<String, Value>>,
    content: Value,
    target_condition: String,
    priority: i64,
    queries: Map<String, Value>,
}

impl ConfigurationBody {
    /// Reads a body, its member names in any case: exported files have them in Pascal case (documented).
    ///
    /// # Errors
    /// `ArgumentNull` without content (observed for updates), `ArgumentInvalid` for a member of the wrong kind, an id
    /// that is not `id`, a target condition or metric that is no query, or a body that is too large.
    pub(super) fn read(id: &str, body: &Value) -> Result<Self, HubError> {
        check_id(id)?;
        let Value::Object(members) = body else {
            return Err(HubError::new(ErrorCode::IotHubFormatError, "the body must be a JSON object"));
        };
        if body.to_string().len() > MAX_BYTES {
            return Err(HubError::invalid(format!("a configuration may have {MAX_BYTES} bytes at most")));
        }
        if text(members, "id")?.is_some_and(|given| given != id) {
            return Err(HubError::invalid("id in the body is not the one in the path"));
        }
        let target_condition = text(members, "targetCondition")?.unwrap_or_default();
        check_target(&target_condition)?;
        let metrics = object(members, "metrics")?;
        let queries = object(&metrics, "queries")?;
        queries.values().try_for_each(check_metric)?;
        Ok(Self {
            schema_version: text(members, "schemaVersion")?,
            labels: if member(members, "labels").is_some() { Some(object(members, "labels")?) } else { None },
            content: content(members)?,
            target_condition,
            priority: priority(member(members, "priority"))?,
            queries,
        })
    }
}

/// A member by its name in any case; `null` is none.
pub(super) fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}

/// A member that is a text.
pub(super) fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, HubError> {
    match member(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(HubError::invalid(format!("{name} must be a string"))),
    }
}

fn object(members: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, HubError> {
    match member(members, name) {
        None => Ok(Map::new()),
        Some(Value::Object(found)) => Ok(found.clone()),
        Some(_) => Err(HubError::invalid(format!("{name} must be an object"))),
    }
}

fn priority(value: Option<&Value>) -> Result<i64, HubError> {
    let Some(value) = value else { return Ok(0) };
    let number = value.as_i64().filter(|number| *number >= 0);
    number.ok_or_else(|| HubError::invalid("priority must be a whole number, zero or more"))
}

fn content(members: &Map<String, Value>) -> Result<Value, HubError> {
    let given = object(members, "content")?;
    let parts =
        CONTENTS.into_iter().filter_map(|name| Some((name.to_owned(), member(&given, name)?.clone())));
    let parts: Map<String, Value> = parts.collect();
    if parts.is_empty() {
        return Err(HubError::new(ErrorCode::ArgumentNull, "a configuration needs content"));
    }
    if !parts.values().all(Value::is_object) {
        return Err(HubError::invalid("the content's members must be objects"));
    }
    Ok(Value::Object(parts))
}

/// Lower-case letters, digits and a few signs (observed).
fn check_id(id: &str) -> Result<(), HubError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-+%_*!'".contains(c);
    if id.is_empty() || id.chars().count() > MAX_ID_CHARS || !id.chars().all(allowed) {
        return Err(HubError::invalid(format!("The configuration id '{id}' is not valid")));
    }
    Ok(())
}

/// Whether a target condition can be read: nothing, `*`, what follows `WHERE` for devices, or `FROM devices.modules
/// WHERE …` for modules (documented). What only this emulator's queries lack is let through.
///
/// # Errors
/// `ArgumentInvalid`.
pub(super) fn check_target(condition: &str) -> Result<(), HubError> {
    let condition = condition.trim();
    let query = match condition.get(..4) {
        _ if condition.is_empty() || condition == "*" => return Ok(()),
        Some(first) if first.eq_ignore_ascii_case("FROM") => format!("SELECT * {condition}"),
        _ => format!("SELECT * FROM devices WHERE {condition}"),
    };
    check_query(&query)
}

fn check_metric(query: &Value) -> Result<(), HubError> {
    check_metric_text(query.as_str().ok_or_else(|| HubError::invalid("metrics must be queries"))?)
}

/// Whether a metric can be read.
///
/// # Errors
/// `ArgumentInvalid`.
pub(super) fn check_metric_text(text: &str) -> Result<(), HubError> {
    readable(Query::parse_metric(text))
}

fn check_query(text: &str) -> Result<(), HubError> {
    readable(Query::parse(text))
}

/// What only this emulator lacks is let through.
fn readable(parsed: Result<Query, HubError>) -> Result<(), HubError> {
    match parsed {
        Err(error) if error.code != ErrorCode::NotImplemented => Err(error),
        _ => Ok(()),
    }
}
