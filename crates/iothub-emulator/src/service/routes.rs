//! The whole service API on one page.

use serde_json::{Value, json};

use super::{Answer, Call};
use crate::error::{ErrorCode, HubError};
use crate::sas::ServiceGate;
use crate::store::{Hub, Id, Permission, Precondition, Query, TwinVerb, TwinWrite};

/// Most identities in one list (documented).
const MAX_LIST: usize = 1000;

/// Answers one request.
pub(super) fn answer(hub: &Hub, gate: &ServiceGate, call: &Call) -> Answer {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let Some(route) = Route::find(&call.method, &path) else {
        let text = format!("{} {} is not supported by this emulator", call.method, call.path);
        return Answer::refused(&HubError::new(ErrorCode::NotImplemented, text));
    };
    let admitted = admit(hub, gate, call, &route, &path);
    match admitted.and_then(|()| route.run(hub, call)) {
        Ok(answer) => answer,
        Err(error) if route.speaks_numbers() => Answer::refused_by_number(&error),
        Err(error) => Answer::refused(&error),
    }
}

fn admit(
    hub: &Hub,
    gate: &ServiceGate,
    call: &Call,
    route: &Route<'_>,
    path: &[&str],
) -> Result<(), HubError> {
    if call.parameter("api-version").is_none() {
        return Err(HubError::new(ErrorCode::InvalidProtocolVersion, "api-version is missing"));
    }
    gate.check(hub, call.authorization.as_deref().unwrap_or_default(), route.permission(), path)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Put,
    Patch,
    Delete,
}

impl Verb {
    fn of(method: &str) -> Option<Self> {
        match method {
            "GET" => Some(Self::Get),
            "PUT" => Some(Self::Put),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Route<'a> {
    ListDevices,
    Bulk,
    Query,
    Device(Verb, &'a str),
    ListModules(&'a str),
    Module(Verb, &'a str, &'a str),
    Twin(Verb, Id),
    DeviceStatistics,
    ServiceStatistics,
}

impl<'a> Route<'a> {
    fn find(method: &str, path: &[&'a str]) -> Option<Self> {
        let verb = Verb::of(method);
        match (method, path) {
            ("GET", ["devices"]) => Some(Self::ListDevices),
            ("POST", ["devices"]) => Some(Self::Bulk),
            ("POST", ["devices", "query"]) => Some(Self::Query),
            ("GET" | "PUT" | "DELETE", ["devices", id]) => Some(Self::Device(verb?, id)),
            ("GET", ["devices", id, "modules"]) => Some(Self::ListModules(id)),
            ("GET" | "PUT" | "DELETE", ["devices", id, "modules", module]) => {
                Some(Self::Module(verb?, id, module))
            }
            ("GET" | "PUT" | "PATCH", ["twins", id]) => Some(Self::Twin(verb?, Id::device(*id))),
            ("GET" | "PUT" | "PATCH", ["twins", id, "modules", module]) => {
                Some(Self::Twin(verb?, Id::module(*id, *module)))
            }
            ("GET", ["statistics", "devices"]) => Some(Self::DeviceStatistics),
            ("GET", ["statistics", "service"]) => Some(Self::ServiceStatistics),
            _ => None,
        }
    }

    /// What a shared access policy must allow (documented; inferred for queries and statistics).
    fn permission(&self) -> Permission {
        match self {
            Self::Device(Verb::Put | Verb::Delete, _) | Self::Module(Verb::Put | Verb::Delete, ..) => {
                Permission::RegistryWrite
            }
            Self::Bulk => Permission::RegistryWrite,
            Self::Twin(..) | Self::Query => Permission::ServiceConnect,
            _ => Permission::RegistryRead,
        }
    }

    /// Module identity calls fail with numbered bodies (observed).
    fn speaks_numbers(&self) -> bool {
        matches!(self, Self::ListModules(_) | Self::Module(..))
    }

    fn run(&self, hub: &Hub, call: &Call) -> Result<Answer, HubError> {
        match self {
            Self::ListDevices => Ok(Answer::json(200, &Value::Array(hub.list_devices(top(call))))),
            Self::Bulk => bulk(hub, call),
            Self::Query => query(hub, call),
            Self::Device(verb, id) => device(hub, call, *verb, id),
            Self::ListModules(id) => Ok(Answer::json(200, &Value::Array(hub.list_modules(id)?))),
            Self::Module(verb, id, module) => module_identity(hub, call, *verb, id, module),
            Self::Twin(verb, id) => twin(hub, call, *verb, id),
            Self::DeviceStatistics => {
                let (total, enabled, _) = hub.count_devices();
                let disabled = total.saturating_sub(enabled);
                let body = json!({"totalDeviceCount": total, "enabledDeviceCount": enabled,
                    "disabledDeviceCount": disabled});
                Ok(Answer::json(200, &body))
            }
            Self::ServiceStatistics => {
                Ok(Answer::json(200, &json!({"connectedDeviceCount": hub.count_devices().2})))
            }
        }
    }
}

fn device(hub: &Hub, call: &Call, verb: Verb, id: &str) -> Result<Answer, HubError> {
    let demand = Precondition::for_identity(call.if_match.as_deref());
    let identity = match verb {
        Verb::Delete => return hub.delete_device(id, &demand).map(|()| Answer::nothing()),
        Verb::Get => hub.get_device(id)?,
        _ => hub.put_device(id, &json_body(call)?, &demand)?,
    };
    Ok(Answer::json(200, &identity).with_etag_of(&identity))
}

fn module_identity(hub: &Hub, call: &Call, verb: Verb, id: &str, module: &str) -> Result<Answer, HubError> {
    let demand = Precondition::for_identity(call.if_match.as_deref());
    match verb {
        Verb::Delete => hub.delete_module(id, module, &demand).map(|()| Answer::nothing()),
        Verb::Get => Ok(Answer::json(200, &hub.get_module(id, module)?)),
        _ => Ok(Answer::json(200, &hub.put_module(id, module, &json_body(call)?, &demand)?)),
    }
}

fn twin(hub: &Hub, call: &Call, verb: Verb, id: &Id) -> Result<Answer, HubError> {
    let verb = match verb {
        Verb::Get => return Ok(Answer::json(200, &hub.get_twin(id)?)),
        Verb::Put => TwinVerb::Replace,
        _ => TwinVerb::Merge,
    };
    let write = TwinWrite::read(&json_body(call)?)?;
    let demand = Precondition::for_twin(call.if_match.as_deref());
    Ok(Answer::json(200, &hub.write_twin(id, &write, verb, &demand)?))
}

/// A partly failed bulk call answers 400 with the result as its body (observed).
fn bulk(hub: &Hub, call: &Call) -> Result<Answer, HubError> {
    let (successful, body) = hub.bulk(&json_body(call)?)?;
    Ok(Answer::json(if successful { 200 } else { 400 }, &body))
}

fn query(hub: &Hub, call: &Call) -> Result<Answer, HubError> {
    let body = json_body(call)?;
    let text = body.get("query").and_then(Value::as_str).ok_or_else(|| HubError::invalid("BadRequest"))?;
    let size = call.max_items.as_deref().and_then(|size| size.parse().ok());
    let page = hub.query(&Query::parse(text)?, size, call.continuation.as_deref())?;
    let answer = Answer::json(200, &Value::Array(page.rows)).with("x-ms-item-type", page.item_type);
    Ok(match page.continuation {
        Some(next) => answer.with("x-ms-continuation", &next),
        None => answer,
    })
}

fn top(call: &Call) -> usize {
    let asked = call.parameter("top").and_then(|top| top.parse().ok());
    asked.filter(|top| (1..=MAX_LIST).contains(top)).unwrap_or(MAX_LIST)
}

fn json_body(call: &Call) -> Result<Value, HubError> {
    serde_json::from_slice(&call.body).map_err(|error| {
        HubError::new(ErrorCode::DeserializationError, format!("the body is not JSON: {error}"))
    })
}
