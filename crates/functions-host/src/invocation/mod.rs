//! One invocation of a function in payload form: build, send, judge, repeat.

mod caller;
mod envelope;
mod exception;
mod reply;
mod retry;
mod runner;

pub(crate) use caller::Caller;
#[cfg(test)]
pub(crate) use envelope::RetryContext;
pub(crate) use envelope::{Envelope, sys};
pub(crate) use reply::FunctionResult;
pub(crate) use runner::{Attempts, Outcome, Runner};

use std::fmt;

use axum::http::StatusCode;

/// The version the stand-in says it is: the one that was observed.
pub(crate) const HOST_VERSION: &str = "4.1045.200.25556";

/// Why one attempt failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// The events could not be made into the function's parameter: the handler was not called.
    Binding(String),
    /// The handler could not be reached, or died over it.
    Connection(String),
    /// The handler's reply was a success in words that the host does not understand.
    Reply(String),
    /// The handler's reply had this status, which is no success.
    Status(u16),
    /// The invocation ran into `functionTimeout`; the handler was killed.
    Timeout(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding(text) | Self::Connection(text) | Self::Reply(text) | Self::Timeout(text) => {
                formatter.write_str(text)
            }
            Self::Status(status) => {
                let known = StatusCode::from_u16(*status).ok();
                let reason = known.and_then(|status| status.canonical_reason()).unwrap_or_default();
                write!(formatter, "Response status code does not indicate success: {status} ({reason}).")
            }
        }
    }
}
