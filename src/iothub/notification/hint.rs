//! What an event says once it is understood, and what one says that is not.

use std::fmt;

use jiff::Timestamp;

use crate::model::{IdentityId, TwinWrites};

/// What happened, as far as an event can be trusted.
#[derive(Debug, Clone, PartialEq)]
pub enum HintKind {
    /// Created.
    Created,
    /// Deleted.
    Deleted,
    /// Created or deleted: the hub says so, and nothing says which of the two.
    Lifecycle,
    /// Twin changed.
    Twin {
        /// The whole of tags and desired properties was replaced.
        replaced: bool,
    },
}

/// One identity that may have changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// Which.
    pub identity: IdentityId,
    /// The hub's name as the event says it (any case, short or full).
    pub hub: Option<String>,
    /// What.
    pub kind: HintKind,
    /// Whether it stands in order with the other events of its identity: what a hub routes does, what
    /// Event Grid delivers does not (documented).
    pub ordered: bool,
    /// `operationTimestamp`, or the event's own time.
    pub occurred: Option<Timestamp>,
    /// What the event carries of the twin (empty for lifecycle events).
    pub writes: TwinWrites,
    /// Top-level twin `version` after the change.
    pub version: Option<u64>,
    /// `properties.reported.$version` after the change.
    pub reported_version: Option<u64>,
}

/// Why an event cannot be understood: becomes the dead letter's reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotANotification(pub String);

impl fmt::Display for NotANotification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotANotification {}
