//! The service API as it is on the wire: paths, headers, and the forms its errors take.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use super::error::{HubError, HubErrorKind, tidy};
use super::unreadable;
use crate::model::{DeviceId, IdentityId, Object, Path};

/// The version that the official service clients use.
pub(crate) const API_VERSION: &str = "2021-04-12";

/// `/devices/{id}` or `/devices/{id}/modules/{id}`.
pub(crate) fn identity_path(id: &IdentityId) -> Result<String, HubError> {
    path("/devices", id)
}

/// `/twins/{id}` or `/twins/{id}/modules/{id}`.
pub(crate) fn twin_path(id: &IdentityId) -> Result<String, HubError> {
    path("/twins", id)
}

/// `/devices/{id}/modules`.
pub(crate) fn modules_path(device: &DeviceId) -> Result<String, HubError> {
    Ok(format!("{}/modules", identity_path(&IdentityId::device(device.clone()))?))
}

fn path(root: &str, id: &IdentityId) -> Result<String, HubError> {
    let device = segment(id.device.as_str(), id.device.path_segment())?;
    Ok(match &id.module {
        None => format!("{root}/{device}"),
        Some(module) => {
            format!("{root}/{device}/modules/{}", segment(module.as_str(), module.path_segment())?)
        }
    })
}

/// `.` and `..` are valid ids, but in a URL they name another place, encoded or not (WHATWG URL):
/// `DELETE /devices/..` must never be sent.
fn segment(id: &str, encoded: String) -> Result<String, HubError> {
    match id {
        "." | ".." => {
            Err(HubError::new(HubErrorKind::Rejected, format!("the id '{id}' cannot be put into a URL")))
        }
        _ => Ok(encoded),
    }
}

/// The members of a JSON object, and the paths of those that hold no readable text and are left out; anything else is
/// [`HubErrorKind::Malformed`].
pub(crate) fn readable_object(body: &[u8]) -> Result<(Object, Vec<Path>), HubError> {
    match unreadable::parse(body) {
        Ok((Value::Object(members), unreadable)) => Ok((members, unreadable)),
        _ => Err(malformed("the answer is not a JSON object")),
    }
}

/// The members of a JSON object, without those that hold no readable text.
pub(crate) fn object(body: &[u8]) -> Result<Object, HubError> {
    readable_object(body).map(|(members, _)| members)
}

/// The elements of a JSON array, without members that hold no readable text; anything else is
/// [`HubErrorKind::Malformed`].
pub(crate) fn array(body: &[u8]) -> Result<Vec<Value>, HubError> {
    match unreadable::parse(body) {
        Ok((Value::Array(elements), _)) => Ok(elements),
        _ => Err(malformed("the answer is not a JSON array")),
    }
}

/// An answer must be about what was asked: a proxy or a cache in between may say something else.
pub(crate) fn about(members: &Object, id: &IdentityId) -> Result<(), HubError> {
    let named = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let module = id.module.as_ref().map(|module| module.as_str());
    if named("deviceId") == Some(id.device.as_str()) && named("moduleId") == module {
        return Ok(());
    }
    Err(malformed("the answer is about another identity"))
}

pub(crate) fn malformed(message: &str) -> HubError {
    HubError::new(HubErrorKind::Malformed, message)
}

/// What an error answer says, whichever envelope it came in.
#[derive(Debug, Default)]
pub(crate) struct ErrorBody {
    /// Names and numbers, as far as given; header first.
    codes: Vec<String>,
    message: String,
    tracking_id: Option<String>,
}

impl ErrorBody {
    /// `header` is `iothub-errorcode`. Both envelopes are understood, also one inside the other:
    /// `{"Message":"ErrorCode:Name;text","ExceptionMessage":"Tracking ID:…"}` and
    /// `{"errorCode":404001,"message":"…","trackingId":"…"}` (observed).
    pub(crate) fn read(header: Option<&str>, body: &[u8]) -> Self {
        let mut read = Self::default();
        read.codes.extend(header.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
        if let Ok(members) = serde_json::from_slice::<Object>(body) {
            read.envelope(&members, 0);
        }
        read
    }

    fn envelope(&mut self, members: &Object, depth: u8) {
        for (name, value) in members {
            match (name.to_ascii_lowercase().as_str(), value) {
                ("errorcode", Value::Number(number)) => self.codes.push(number.to_string()),
                ("errorcode", Value::String(text)) => self.codes.push(text.clone()),
                ("trackingid", Value::String(text)) => self.tracking_id = Some(tidy_id(text)),
                ("exceptionmessage", Value::String(text)) => self.exception(text),
                ("message", Value::String(text)) => self.text(text, depth),
                _ => {}
            }
        }
    }

    fn text(&mut self, text: &str, depth: u8) {
        let text = match text.strip_prefix("ErrorCode:") {
            None => text,
            Some(rest) => {
                let (name, text) = rest.split_once(';').unwrap_or((rest, ""));
                self.codes.push(name.trim().to_owned());
                text
            }
        };
        match serde_json::from_str::<Object>(text) {
            Ok(nested) if depth < 2 => self.envelope(&nested, depth + 1),
            _ => self.message = text.to_owned(),
        }
    }

    fn exception(&mut self, text: &str) {
        if let Some(id) = text.strip_prefix("Tracking ID:") {
            self.tracking_id = Some(tidy_id(id));
        }
    }

    fn has(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.iter().any(|known| code.eq_ignore_ascii_case(known)))
    }

    /// Some code, and none that says something else.
    fn says_only(&self, codes: &[&str]) -> bool {
        !self.codes.is_empty()
            && self.codes.iter().all(|code| codes.iter().any(|known| code.eq_ignore_ascii_case(known)))
    }

    /// How long a throttled caller shall wait; the service has no `Retry-After` (observed).
    pub(crate) fn wait(&self) -> Option<Duration> {
        let (_, rest) = self.message.split_once("Wait ")?;
        let (number, _) = rest.split_once(" second")?;
        number.trim().parse().ok().map(Duration::from_secs)
    }

    /// The failure, for an answer with this status.
    pub(crate) fn into_error(self, status: StatusCode) -> HubError {
        let kind = self.kind(status);
        let message = if self.message.is_empty() { format!("HTTP {status}") } else { tidy(&self.message) };
        let code = self.codes.into_iter().next().map(|code| tidy(&code));
        HubError { kind, code, tracking_id: self.tracking_id, message }
    }

    fn kind(&self, status: StatusCode) -> HubErrorKind {
        use HubErrorKind::*;
        if self.has(NOT_THIS_HUB) {
            return Unavailable;
        }
        match status.as_u16() {
            401 => Denied,
            403 if self.has(QUOTA) => Throttled,
            403 => Denied,
            404 if self.says_only(NOT_FOUND) => Absent,
            404 => Unavailable,
            408 => Unavailable,
            409 if self.has(EXISTS) => Exists,
            409 | 412 => Stale,
            429 => Throttled,
            501 => Rejected,
            200..=299 => Malformed,
            400..=499 => Rejected,
            _ => Unavailable,
        }
    }
}

/// The hub's own not-found. The same number serves for a missing module twin (observed).
const NOT_FOUND: &[&str] = &["DeviceNotFound", "404001", "ModuleNotFound", "404010"];

const EXISTS: &[&str] = &["DeviceAlreadyExists", "409001", "ModuleAlreadyExistsOnDevice", "409301"];

/// 403s that pass: quotas and queues, not permissions.
const QUOTA: &[&str] = &[
    "IotHubQuotaExceeded",
    "403002",
    "JobQuotaExceeded",
    "403003",
    "DeviceMaximumQueueDepthExceeded",
    "403004",
    "IotHubMaxCbsTokenExceeded",
    "403005",
];

/// The hub itself is not there or does not serve: says nothing of the identity.
const NOT_THIS_HUB: &[&str] = &["IotHubNotFound", "401001", "IotHubSuspended", "403001"];

/// What a code in a bulk result or in a device protocol answer means.
pub(crate) fn kind_of_code(code: &str) -> HubErrorKind {
    let body = ErrorBody { codes: vec![code.to_owned()], ..ErrorBody::default() };
    let status = code.get(..3).filter(|_| code.len() == 6).and_then(|digits| digits.parse().ok());
    if body.has(EXISTS) {
        return HubErrorKind::Exists;
    }
    if body.has(NOT_FOUND) {
        return HubErrorKind::Absent;
    }
    if body.has(QUOTA) || code.to_ascii_lowercase().contains("throttl") {
        return HubErrorKind::Throttled;
    }
    match status.and_then(|status: u16| StatusCode::from_u16(status).ok()) {
        Some(status) => body.kind(status),
        None if body.has(&["PreconditionFailed"]) => HubErrorKind::Stale,
        None if body.has(&["ServerError", "ServiceUnavailable", "GenericTimeout", "GatewayTimeout"]) => {
            HubErrorKind::Unavailable
        }
        None if body.has(&["IotHubUnauthorized", "IotHubUnauthorizedAccess"]) => HubErrorKind::Denied,
        None => HubErrorKind::Rejected,
    }
}

/// Tracking ids are letters, digits, dashes, colons and a time.
fn tidy_id(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '/' | ' ' | '.');
    text.trim().chars().filter(allowed).take(100).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(status: u16, header: Option<&str>, body: &str) -> HubError {
        ErrorBody::read(header, body.as_bytes()).into_error(StatusCode::from_u16(status).unwrap())
    }

    #[test]
    fn the_first_envelope_gives_name_text_and_tracking_id() {
        let body = r#"{"Message":"ErrorCode:PreconditionFailed;ETag mismatch for device ID 'x'",
            "ExceptionMessage":"Tracking ID:0123456789abcdef0123456789abcdef-G:5-TimeStamp:08/20/2020 22:05:30"}"#;
        let error = error(412, None, body);
        assert_eq!(error.kind, HubErrorKind::Stale);
        assert_eq!(error.code.as_deref(), Some("PreconditionFailed"));
        assert_eq!(error.message, "ETag mismatch for device ID 'x'");
        assert!(error.tracking_id.unwrap().starts_with("0123456789abcdef0123456789abcdef-G:5"));
    }

    #[test]
    fn the_second_envelope_gives_number_text_and_tracking_id() {
        let body =
            r#"{"errorCode":409301,"message":"Device x already contains Module m.","trackingId":"abc"}"#;
        let error = error(409, None, body);
        assert_eq!(error.kind, HubErrorKind::Exists);
        assert_eq!(error.code.as_deref(), Some("409301"));
        assert_eq!(error.tracking_id.as_deref(), Some("abc"));
    }

    #[test]
    fn an_envelope_inside_the_other_is_found() {
        let body = r#"{"Message":"{\"errorCode\":404001,\"trackingId\":\"t\",\"message\":\"gone\"}","ExceptionMessage":""}"#;
        let error = error(404, None, body);
        assert_eq!(error.kind, HubErrorKind::Absent);
        assert_eq!(error.message, "gone");
    }

    #[test]
    fn only_the_hubs_own_not_found_is_absence() {
        assert_eq!(error(404, Some("DeviceNotFound"), "").kind, HubErrorKind::Absent);
        assert_eq!(error(404, Some("ModuleNotFound"), "").kind, HubErrorKind::Absent);
        for (header, body) in [
            (None, "<html>not found</html>"),
            (None, "{}"),
            (None, r#"{"Message":"not found"}"#),
            (Some("IotHubNotFound"), r#"{"Message":"ErrorCode:DeviceNotFound;x"}"#),
            (Some("DeviceNotOnline"), r#"{"errorCode":404001}"#),
            (None, r#"{"errorCode":404002}"#),
            (None, r#"{"message":"ErrorCode:JobNotFound;DeviceNotFound"}"#),
        ] {
            assert_eq!(error(404, header, body).kind, HubErrorKind::Unavailable, "{header:?} {body}");
        }
        assert_eq!(error(500, Some("DeviceNotFound"), "").kind, HubErrorKind::Unavailable);
    }

    #[test]
    fn a_status_means_one_thing() {
        for (status, kind) in [
            (400, HubErrorKind::Rejected),
            (401, HubErrorKind::Denied),
            (403, HubErrorKind::Denied),
            (408, HubErrorKind::Unavailable),
            (409, HubErrorKind::Stale),
            (412, HubErrorKind::Stale),
            (413, HubErrorKind::Rejected),
            (429, HubErrorKind::Throttled),
            (500, HubErrorKind::Unavailable),
            (501, HubErrorKind::Rejected),
            (503, HubErrorKind::Unavailable),
            (302, HubErrorKind::Unavailable),
        ] {
            assert_eq!(error(status, None, "").kind, kind, "{status}");
        }
        assert_eq!(error(403, Some("IotHubQuotaExceeded"), "").kind, HubErrorKind::Throttled);
        assert_eq!(error(401, None, r#"{"errorCode":401001}"#).kind, HubErrorKind::Unavailable);
    }

    #[test]
    fn the_wait_is_read_from_the_services_words() {
        let body = r#"{"Message":"ErrorCode:ThrottlingBacklogTimeout;The request has been throttled. Wait 10 seconds and try again."}"#;
        assert_eq!(ErrorBody::read(None, body.as_bytes()).wait(), Some(Duration::from_secs(10)));
        assert_eq!(ErrorBody::read(None, b"").wait(), None);
    }

    #[test]
    fn an_id_with_a_percent_sign_survives_and_a_dot_segment_is_refused() {
        let path = |text: &str| identity_path(&text.parse().unwrap());
        assert_eq!(path("a%41#?+/m:1").unwrap(), "/devices/a%2541%23%3F%2B/modules/m%3A1");
        for id in ["..", ".", "a/..", "a/."] {
            assert_eq!(path(id).unwrap_err().kind, HubErrorKind::Rejected, "{id}");
        }
    }

    #[test]
    fn a_bulk_code_may_be_a_name_or_a_number() {
        for (code, kind) in [
            ("DeviceAlreadyExists", HubErrorKind::Exists),
            ("409001", HubErrorKind::Exists),
            ("DeviceNotFound", HubErrorKind::Absent),
            ("412001", HubErrorKind::Stale),
            ("ThrottlingException", HubErrorKind::Throttled),
            ("ArgumentInvalid", HubErrorKind::Rejected),
            ("500001", HubErrorKind::Unavailable),
            ("401002", HubErrorKind::Denied),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }
}
