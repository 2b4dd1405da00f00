//! Devices, modules, bulk calls and statistics.

use serde_json::{Value, json};

use super::call::Verb;
use super::{Answer, Call};
use crate::error::HubError;
use crate::store::{Hub, Precondition};

/// Most identities in one list (documented).
const MAX_LIST: usize = 1000;

pub(super) fn list(hub: &Hub, call: &Call) -> Result<Answer, HubError> {
    let all = hub.list_devices(top(call)).into_iter().map(|device| call.shown(device));
    Ok(Answer::json(200, &all.collect()))
}

pub(super) fn device(hub: &Hub, call: &Call, verb: Verb, id: &str) -> Result<Answer, HubError> {
    let demand = Precondition::for_identity(call.if_match.as_deref());
    let identity = match verb {
        Verb::Delete => return hub.delete_device(id, &demand).map(|()| Answer::nothing()),
        Verb::Get => hub.get_device(id)?,
        _ => hub.put_device(id, &call.json()?, &demand)?,
    };
    let identity = call.shown(identity);
    Ok(Answer::json(200, &identity).with_etag_of(&identity))
}

pub(super) fn list_modules(hub: &Hub, id: &str) -> Result<Answer, HubError> {
    Ok(Answer::json(200, &Value::Array(hub.list_modules(id)?)))
}

/// Unlike devices, modules have no `ETag` header (observed in recorded traffic).
pub(super) fn module(hub: &Hub, call: &Call, verb: Verb, id: &str, module: &str) -> Result<Answer, HubError> {
    let demand = Precondition::for_identity(call.if_match.as_deref());
    match verb {
        Verb::Delete => hub.delete_module(id, module, &demand).map(|()| Answer::nothing()),
        Verb::Get => Ok(Answer::json(200, &hub.get_module(id, module)?)),
        _ => Ok(Answer::json(200, &hub.put_module(id, module, &call.json()?, &demand)?)),
    }
}

/// A partly failed bulk call answers 400 with the result as its body (observed).
pub(super) fn bulk(hub: &Hub, call: &Call) -> Result<Answer, HubError> {
    let (successful, body) = hub.bulk(&call.json()?)?;
    Ok(Answer::json(if successful { 200 } else { 400 }, &body))
}

pub(super) fn device_statistics(hub: &Hub, _: &Call) -> Result<Answer, HubError> {
    let (total, enabled, _) = hub.count_devices();
    let disabled = total.saturating_sub(enabled);
    let body =
        json!({"totalDeviceCount": total, "enabledDeviceCount": enabled, "disabledDeviceCount": disabled});
    Ok(Answer::json(200, &body))
}

pub(super) fn service_statistics(hub: &Hub, _: &Call) -> Result<Answer, HubError> {
    Ok(Answer::json(200, &json!({"connectedDeviceCount": hub.count_devices().2})))
}

/// `top`; anything but 1 to 1000 means 1000 (documented).
fn top(call: &Call) -> usize {
    let asked = call.parameter("top").and_then(|top| top.parse().ok());
    asked.filter(|top| (1..=MAX_LIST).contains(top)).unwrap_or(MAX_LIST)
}
