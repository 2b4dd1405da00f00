//! Twins and queries.

use serde_json::Value;

use super::call::Verb;
use super::{Answer, Call};
use crate::error::HubError;
use crate::store::{Hub, Id, Precondition, Query, TwinVerb, TwinWrite};

/// No `ETag` header: the twin's tag is in the body only (observed in recorded traffic).
pub(super) fn twin(hub: &Hub, call: &Call, verb: Verb, id: &Id) -> Result<Answer, HubError> {
    let (verb, write) = match verb {
        Verb::Get => return Ok(Answer::json(200, &call.shown(hub.get_twin(id)?))),
        Verb::Put => (TwinVerb::Replace, TwinWrite::read(&call.json()?)?),
        _ => (TwinVerb::Merge, TwinWrite::read_patch(&call.json()?)?),
    };
    let demand = Precondition::for_twin(call.if_match.as_deref());
    Ok(Answer::json(200, &call.shown(hub.write_twin(id, &write, verb, &demand)?)))
}

pub(super) fn query(hub: &Hub, call: &Call) -> Result<Answer, HubError> {
    let body = call.json()?;
    let text = body.get("query").and_then(Value::as_str).ok_or_else(|| HubError::invalid("BadRequest"))?;
    let size = call.max_items.as_deref().and_then(|size| size.parse().ok());
    let page = hub.query(&Query::parse(text)?, size, call.continuation.as_deref())?;
    let rows = page.rows.into_iter().map(|row| if page.item_type == "Twin" { call.shown(row) } else { row });
    let answer = Answer::json(200, &rows.collect()).with("x-ms-item-type", page.item_type);
    Ok(match page.continuation {
        Some(next) => answer.with("x-ms-continuation", &next),
        None => answer,
    })
}
