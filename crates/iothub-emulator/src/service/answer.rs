//! Answers with the headers a hub sends (observed in recorded traffic).

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, SERVER, VARY};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::{ErrorCode, HubError, Tracking};

/// The header with a request's id, by which its tracking id begins.
const REQUEST_ID: &str = "x-ms-request-id";

/// A response before it is HTTP.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// A JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, body: Bytes::from(body.to_string()), headers: Vec::new() }
    }

    /// What is said to be JSON, as it is.
    #[must_use]
    pub fn text(status: u16, text: String) -> Self {
        Self { status, body: Bytes::from(text), headers: Vec::new() }
    }

    /// 204.
    #[must_use]
    pub fn nothing() -> Self {
        Self { status: 204, body: Bytes::new(), headers: Vec::new() }
    }

    /// The usual error body.
    #[must_use]
    pub fn refused(error: &HubError) -> Self {
        let id = Uuid::new_v4();
        Self::error(error, &error.named_body(&Tracking::of_request(id))).with(REQUEST_ID, &id.to_string())
    }

    /// The same for twins, whose tracking id is another (recorded).
    #[must_use]
    pub fn refused_by_twins(error: &HubError) -> Self {
        Self::error(error, &error.named_body(&Tracking::of_twin()))
    }

    /// The error body of module identity calls.
    #[must_use]
    pub fn refused_by_number(error: &HubError) -> Self {
        let id = Uuid::new_v4();
        Self::error(error, &error.numbered_body(&Tracking::of_request(id))).with(REQUEST_ID, &id.to_string())
    }

    fn error(error: &HubError, body: &Value) -> Self {
        let answer = Self::json(error.code.status(), body).with("iothub-errorcode", error.code.name());
        match error.code {
            // Observed: a throttled connection is closed, and there is no Retry-After.
            ErrorCode::ThrottlingBacklogTimeout => answer.with(CONNECTION.as_str(), "close"),
            _ => answer,
        }
    }

    /// 405: the resource has other methods. The body is the one of the web framework that the service is built on
    /// (inferred; no recording shows it).
    #[must_use]
    pub fn wrong_method(method: &str, allowed: &str) -> Self {
        let text = format!("The requested resource does not support http method '{method}'.");
        Self::json(405, &json!({"Message": text})).with(ALLOW.as_str(), allowed)
    }

    /// With another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// With a header; one that cannot be sent is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.push((name, value));
        }
        self
    }

    /// With `ETag` taken from the body's member.
    #[must_use]
    pub fn with_etag_of(self, body: &Value) -> Self {
        match body.get("etag").and_then(Value::as_str) {
            Some(etag) => self.with(ETAG.as_str(), &format!("\"{etag}\"")),
            None => self,
        }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let empty = self.body.is_empty();
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = hyper::StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        if !empty {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        headers.insert(SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if let Ok(request_id) = HeaderValue::try_from(Uuid::new_v4().to_string()) {
            headers.insert(REQUEST_ID, request_id);
        }
        headers.extend(self.headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}
