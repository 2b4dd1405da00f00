//! A request in the form the routes read it.

use bytes::Bytes;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::error::{ErrorCode, HubError};

/// Members of identities and twins with the first API version that shows them: `parentScopes` is recorded in 2020-03-13,
/// `modelId` is not, and came with the preview after it (documented). That older versions lack both is inferred.
const LATER: [(&str, &str); 2] = [("parentScopes", "2020-03-13"), ("modelId", "2020-05-31")];

/// A method in the API's sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// `None` for a method that only single paths have.
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "GET" => Some(Self::Get),
            "PUT" => Some(Self::Put),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method in capitals.
    pub method: String,
    /// The path as sent, percent-encoded.
    pub path: String,
    /// The query as sent.
    pub query: Option<String>,
    /// `If-Match` as sent.
    pub if_match: Option<String>,
    /// `Authorization` as sent.
    pub authorization: Option<String>,
    /// `x-ms-max-item-count`.
    pub max_items: Option<String>,
    /// `x-ms-continuation`.
    pub continuation: Option<String>,
    /// The body; empty when it was too large.
    pub body: Bytes,
    /// The body was larger than any call's may be.
    pub too_large: bool,
}

impl Call {
    /// `None` for the body says that it was too large.
    pub(super) fn new(head: &Parts, body: Option<Bytes>) -> Self {
        let header =
            |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            method: head.method.as_str().to_owned(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            if_match: header("if-match"),
            authorization: header("authorization"),
            max_items: header("x-ms-max-item-count"),
            continuation: header("x-ms-continuation"),
            too_large: body.is_none(),
            body: body.unwrap_or_default(),
        }
    }

    /// The body as JSON. Of a member that is there twice, the last counts, as for the hub's own reader.
    ///
    /// # Errors
    /// `DeserializationError` when it is not JSON in UTF-8, or nested deeper than any document here.
    pub fn json(&self) -> Result<Value, HubError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            HubError::new(ErrorCode::DeserializationError, format!("the body is not JSON: {error}"))
        })
    }

    /// A document as this call's API version shows it: without members that came later.
    pub(super) fn shown(&self, mut document: Value) -> Value {
        let version = self.parameter("api-version").unwrap_or_default();
        if let Value::Object(members) = &mut document {
            let later = LATER.iter().filter(|(_, since)| version < *since);
            later.for_each(|(name, _)| drop(members.remove(*name)));
        }
        document
    }

    /// The path's segments, each decoded exactly once; a trailing slash adds none.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        let path = self.path.trim_matches('/');
        path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
    }

    /// A parameter of the query, its name in any case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.as_deref()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}
