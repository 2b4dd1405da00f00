//! One invocation of a function in payload form: build, send, judge, repeat.

mod caller;
mod envelope;
mod reply;
mod retry;
mod runner;

pub(crate) use caller::{Caller, CallerOptions};
#[cfg(test)]
pub(crate) use envelope::RetryContext;
pub(crate) use envelope::{Envelope, sys};
pub(crate) use reply::FunctionResult;
pub(crate) use runner::{Attempts, Outcome, Runner};

use std::fmt;

/// The version the stand-in says it is: the one whose source was read.
pub(crate) const HOST_VERSION: &str = "4.1037.0.0";

/// Why one attempt failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// The events could not be made into the function's parameter: the handler was not called.
    Binding(String),
    /// The handler could not be reached, or died over it.
    Connection(String),
    /// The handler's reply was not a success.
    Reply(String),
    /// The invocation ran into `functionTimeout`; the handler was killed.
    Timeout(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding(text) | Self::Connection(text) | Self::Reply(text) | Self::Timeout(text) => {
                formatter.write_str(text)
            }
        }
    }
}
