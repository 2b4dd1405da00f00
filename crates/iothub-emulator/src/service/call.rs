//! A request in the form the routes read it.

use bytes::Bytes;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

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
    /// The body.
    pub body: Bytes,
}

impl Call {
    pub(super) fn new(head: &Parts, body: Bytes) -> Self {
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
            body,
        }
    }

    /// The path's segments, each decoded exactly once; a trailing slash adds none.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        let path = self.path.trim_matches('/');
        path.split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
    }

    /// A parameter of the query.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.as_deref()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}
