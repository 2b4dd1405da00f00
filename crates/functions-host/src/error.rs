//! Why the host could not start, or stopped by itself.

use std::fmt;
use std::path::PathBuf;

/// What the operator has to put right. Every message is one plain sentence.
#[derive(Debug)]
pub enum HostError {
    /// A file of the app folder is absent or cannot be read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A file or setting is not what the host accepts; one entry per fault, all found at once.
    Rejected(Vec<String>),
    /// The event log does not answer, or does not have an event hub that a function reads.
    EventLog(String),
    /// A port cannot be bound, or another resource of this machine is missing.
    Machine(String),
    /// The handler cannot be started.
    Handler(String),
    /// The handler has crashed once too often; the real host (func) then ends with exit code 0.
    Crashed,
}

impl HostError {
    pub(crate) fn unreadable(file: impl Into<PathBuf>, reason: impl fmt::Display) -> Self {
        Self::Unreadable { file: file.into(), reason: reason.to_string() }
    }

    pub(crate) fn rejected(fault: impl Into<String>) -> Self {
        Self::Rejected(vec![fault.into()])
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { file, reason } => write!(formatter, "{}: {reason}", file.display()),
            Self::Rejected(faults) => formatter.write_str(&faults.join("\n")),
            Self::EventLog(reason) | Self::Machine(reason) | Self::Handler(reason) => {
                formatter.write_str(reason)
            }
            Self::Crashed => {
                formatter.write_str("Exceeded http worker restart retry count. Shutting down Functions Host")
            }
        }
    }
}

impl std::error::Error for HostError {}
