//! Automatic configurations. Node and .NET quote an update's ETag; Python sends what its caller gives, and a bare `*`
//! with a deletion that has none.

use serde_json::Value;

use super::call::Verb;
use super::{Answer, Call};
use crate::error::HubError;
use crate::store::{Hub, Precondition, test_queries};

/// All of them: `top` is ignored (observed).
pub(super) fn list(hub: &Hub) -> Answer {
    Answer::json(200, &Value::Array(hub.configurations().list()))
}

/// An ETag without quotes is no precondition, so that an update with one is taken for a creation and answers 409
/// (observed).
pub(super) fn configuration(hub: &Hub, call: &Call, verb: Verb, id: &str) -> Result<Answer, HubError> {
    let demand = Precondition::for_twin(call.if_match.as_deref());
    let found = match verb {
        Verb::Delete => return hub.configurations().delete(id, &demand).map(|()| Answer::nothing()),
        Verb::Get => hub.configurations().get(id)?,
        _ => hub.configurations().put(id, &call.json()?, &demand)?,
    };
    Ok(Answer::json(200, &found).with_etag_of(&found))
}

pub(super) fn test(call: &Call) -> Result<Answer, HubError> {
    Ok(Answer::json(200, &test_queries(&call.json()?)?))
}

/// Content for one edge device.
pub(super) fn apply(hub: &Hub, call: &Call, id: &str) -> Result<Answer, HubError> {
    hub.apply_content(id, &call.json()?).map(|()| Answer::nothing())
}
