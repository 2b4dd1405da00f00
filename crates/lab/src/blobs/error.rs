//! What the blob service refuses, in Azure's own error codes.
//!
//! Codes and statuses are documented ("Blob service error codes"); the XML body and the
//! `x-ms-error-code` header are what the official clients read.

use axum::body::Body;
use axum::http::{Method, Response, StatusCode, header};

use super::xml::escaped;

/// A refusal. Each variant is one documented error code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BlobError {
    /// The blob is not there.
    BlobNotFound,
    /// The container is not there.
    ContainerNotFound,
    /// Create-only, and it exists.
    BlobAlreadyExists,
    /// The container exists.
    ContainerAlreadyExists,
    /// A precondition does not hold.
    ConditionNotMet,
    /// `If-None-Match` names the current ETag: nothing to send.
    NotModified,
    /// The range starts beyond the end (any range of an empty blob does).
    InvalidRange,
    /// A block list names a block that was never staged.
    InvalidBlockList,
    /// The name of a metadata header is none.
    InvalidMetadata,
    /// A query parameter is missing or wrong.
    InvalidQueryParameter,
    /// Neither a SAS nor an `Authorization` header.
    NoAuthenticationInformation,
    /// The service has been switched off.
    ServerBusy,
    /// An operation outside this subset, by name.
    Unsupported(String),
}

impl BlobError {
    /// The documented code, also sent as `x-ms-error-code`.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::BlobNotFound => "BlobNotFound",
            Self::ContainerNotFound => "ContainerNotFound",
            Self::BlobAlreadyExists => "BlobAlreadyExists",
            Self::ContainerAlreadyExists => "ContainerAlreadyExists",
            Self::ConditionNotMet | Self::NotModified => "ConditionNotMet",
            Self::InvalidRange => "InvalidRange",
            Self::InvalidBlockList => "InvalidBlockList",
            Self::InvalidMetadata => "InvalidMetadata",
            Self::InvalidQueryParameter => "InvalidQueryParameterValue",
            Self::NoAuthenticationInformation => "NoAuthenticationInformation",
            Self::ServerBusy => "ServerBusy",
            Self::Unsupported(_) => "NotImplemented",
        }
    }

    /// The documented HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BlobNotFound | Self::ContainerNotFound => StatusCode::NOT_FOUND,
            Self::BlobAlreadyExists | Self::ContainerAlreadyExists => StatusCode::CONFLICT,
            Self::ConditionNotMet => StatusCode::PRECONDITION_FAILED,
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::InvalidRange => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::InvalidBlockList | Self::InvalidMetadata | Self::InvalidQueryParameter => {
                StatusCode::BAD_REQUEST
            }
            Self::NoAuthenticationInformation => StatusCode::UNAUTHORIZED,
            Self::ServerBusy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Unsupported(what) => format!("{what} is not part of this blob service"),
            other => other.code().to_owned(),
        }
    }

    /// The whole answer; without a body for HEAD and 304, as HTTP wants it.
    pub(super) fn into_response(self, method: &Method) -> Response<Body> {
        let status = self.status();
        let bare = method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
        let body = if bare { String::new() } else { self.xml() };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Ok(code) = self.code().parse() {
            headers.insert("x-ms-error-code", code);
        }
        if let (false, Ok(kind)) = (bare, "application/xml".parse()) {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        response
    }

    fn xml(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{}</Message></Error>",
            self.code(),
            escaped(&self.message())
        )
    }
}
