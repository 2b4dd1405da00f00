//! Many registry entries at once.

use std::collections::HashMap;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::client::{Call, HubClient};
use super::error::tidy;
use super::throttle::OperationClass::RegistryCreate;
use super::wire::{kind_of_code, malformed, object};
use super::{Deadline, HubError, HubErrorKind};
use crate::model::Object;

/// Most items in one bulk request (read in the official clients).
pub const MAX_BULK_ITEMS: usize = 100;

/// One bulk item's fate.
#[derive(Debug, Clone)]
pub enum BulkItem {
    /// Applied.
    Done,
    /// Refused, alone.
    Failed(HubError),
}

impl HubClient {
    /// POST /devices; one fate per item, in order. At most [`MAX_BULK_ITEMS`] items, each with its
    /// `id` (and `moduleId`) and its `importMode`.
    ///
    /// That items are independent of each other is inferred from the result's form. When any failed,
    /// those that no error names are `Exists` too, for the caller to look at: they were created, unless
    /// the request was refused as a whole. After a lost answer an item that this call itself created is
    /// `Exists`.
    pub async fn create_in_bulk(
        &self,
        items: &[Object],
        deadline: Deadline,
    ) -> Result<Vec<BulkItem>, HubError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        if items.len() > MAX_BULK_ITEMS {
            return Err(HubError::new(HubErrorKind::Rejected, "more items than one bulk request may have"));
        }
        let call = Call::new(RegistryCreate, Method::POST, "/devices")
            .json(&items)?
            .items(items.len())
            .expect(is_result);
        let answer = self.send(call, deadline).await?;
        fates(items, &object(&answer.body)?)
    }
}

/// A result comes as 200 when all items were applied, and as 400 when one was not (observed).
fn is_result(status: StatusCode, body: &[u8]) -> bool {
    match status {
        StatusCode::OK => true,
        StatusCode::BAD_REQUEST => {
            object(body).is_ok_and(|members| value(&members, "isSuccessful").is_some())
        }
        _ => false,
    }
}

type Key<'a> = (&'a str, Option<&'a str>);

fn fates(items: &[Object], result: &Object) -> Result<Vec<BulkItem>, HubError> {
    let successful = value(result, "isSuccessful").and_then(Value::as_bool);
    let list = |name| value(result, name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (errors, warnings) = (list("errors"), list("warnings"));
    if successful.is_none() || (successful == Some(false) && errors.is_empty()) {
        return Err(malformed("a bulk result that does not say which items failed"));
    }
    let mut failed: HashMap<Key<'_>, HubError> = HashMap::new();
    for warning in warnings {
        // It is there, but perhaps without its twin: whoever made it must look at it again.
        if let Some(key) = key(warning, "deviceId").filter(|key| is_sent(items, *key)) {
            let message = format!("created with a warning: {}", text(warning, "warningStatus"));
            failed.insert(key, HubError::new(HubErrorKind::Exists, message));
        }
    }
    for error in errors {
        let key = key(error, "deviceId").ok_or_else(|| malformed("a bulk error that names no identity"))?;
        failed.insert(key, item_error(error));
    }
    let mut named = 0;
    let fates = items
        .iter()
        .map(|item| match member(item, "id").and_then(|id| failed.get(&(id, member(item, "moduleId")))) {
            Some(error) => {
                named += 1;
                BulkItem::Failed(error.clone())
            }
            None if successful == Some(false) => BulkItem::Failed(unproven()),
            None => BulkItem::Done,
        })
        .collect();
    match named < failed.len() {
        true => Err(malformed("a bulk error about an identity that was not sent")),
        false => Ok(fates),
    }
}

fn unproven() -> HubError {
    HubError::new(HubErrorKind::Exists, "another item of the same request was refused")
}

fn is_sent(items: &[Object], key: Key<'_>) -> bool {
    items.iter().any(|item| member(item, "id").map(|id| (id, member(item, "moduleId"))) == Some(key))
}

/// A member by its name, in whichever case: the official clients read them so, and send them so.
fn value<'a>(members: &'a Object, name: &str) -> Option<&'a Value> {
    let any_case = || members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    members.get(name).or_else(any_case)
}

fn text(item: &Value, name: &str) -> String {
    let text = item.as_object().and_then(|members| member(members, name));
    text.map(tidy).unwrap_or_default()
}

fn key<'a>(value: &'a Value, id: &str) -> Option<Key<'a>> {
    let members = value.as_object()?;
    Some((member(members, id)?, member(members, "moduleId")))
}

fn member<'a>(members: &'a Object, name: &str) -> Option<&'a str> {
    value(members, name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn item_error(error: &Value) -> HubError {
    let code = match error.as_object().and_then(|members| value(members, "errorCode")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let message = text(error, "errorStatus");
    HubError { kind: kind_of_code(&code), code: Some(tidy(&code)), tracking_id: None, message }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    fn objects(value: Value) -> Vec<Object> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_failure_belongs_to_its_item() {
        let items = objects(json!([{"id": "a"}, {"id": "b"}, {"id": "b", "moduleId": "m"}, {"id": "A"}]));
        let result = json!({"isSuccessful": false, "errors": [
            {"deviceId": "b", "moduleId": null, "errorCode": "DeviceAlreadyExists", "errorStatus": "there"},
            {"deviceId": "b", "moduleId": "m", "errorCode": 404001, "errorStatus": "no device"}]});
        let fates = fates(&items, result.as_object().unwrap()).unwrap();
        let kinds: Vec<_> = fates
            .iter()
            .map(|fate| match fate {
                BulkItem::Done => None,
                BulkItem::Failed(error) => Some(error.kind),
            })
            .collect();
        let looked_at = Some(HubErrorKind::Exists);
        assert_eq!(kinds, [looked_at, looked_at, Some(HubErrorKind::Absent), looked_at]);
    }

    #[test]
    fn members_are_read_in_any_case_and_a_warning_asks_for_another_look() {
        let items = objects(json!([{"id": "a"}, {"id": "b"}, {"id": "c"}]));
        let result = json!({"IsSuccessful": false,
            "Errors": [{"DeviceId": "a", "ModuleId": null, "ErrorCode": 409001, "ErrorStatus": "there"}],
            "Warnings": [{"DeviceId": "b", "WarningCode": "DeviceRegisteredWithoutTwin", "WarningStatus": "no twin"}]});
        assert!(is_result(StatusCode::BAD_REQUEST, result.to_string().as_bytes()));
        let fates = fates(&items, result.as_object().unwrap()).unwrap();
        let looked_at =
            |fate: &BulkItem| matches!(fate, BulkItem::Failed(e) if e.kind == HubErrorKind::Exists);
        assert!(fates.iter().all(looked_at), "{fates:?}");
    }

    #[test]
    fn a_result_that_cannot_be_matched_to_the_items_is_believed_of_none() {
        let items = objects(json!([{"id": "a"}]));
        for result in [
            json!({}),
            json!({"isSuccessful": false, "errors": []}),
            json!({"isSuccessful": false, "errors": [{"errorCode": "ServerError"}]}),
            json!({"isSuccessful": false, "errors": [{"deviceId": "z", "errorCode": "ServerError"}]}),
        ] {
            let error = fates(&items, result.as_object().unwrap()).unwrap_err();
            assert_eq!(error.kind, HubErrorKind::Malformed, "{result}");
        }
    }
}
