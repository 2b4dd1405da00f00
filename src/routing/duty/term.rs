//! When a duty may be taken and how long it is held. Pure: times come in.

use std::time::Duration;

use super::document::Document;
use crate::iothub::BootTime;
use crate::model::ETag;
use crate::routing::record::margin;

/// What a process that would take the duty has seen of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidate {
    unchanged: Option<(ETag, BootTime)>,
}

impl Candidate {
    /// A read whose answer was here at `answered` gave this document: whether it may be taken now.
    ///
    /// The holder counts its lease from before its write, and that write is older than the first
    /// answer that showed it: when the lease and a margin have passed since that answer, and the
    /// document is still the same, the holder has stopped.
    pub(super) fn may_take(&mut self, document: &Document, etag: &ETag, answered: BootTime) -> bool {
        if document.holder.is_none() {
            return true;
        }
        let lease = document.lease();
        match &self.unchanged {
            Some((same, since)) if same == etag => answered.since(*since) >= lease + margin(lease),
            _ => {
                self.unchanged = Some((etag.clone(), answered));
                false
            }
        }
    }
}

/// A duty that this process has taken.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) document: Document,
    pub(super) etag: ETag,
    ends: BootTime,
}

impl Term {
    /// By a write that was not sent before `started`.
    pub(super) fn new(document: Document, etag: ETag, started: BootTime) -> Self {
        let ends = started.plus(document.lease());
        Self { document, etag, ends }
    }

    /// How long it is still held; zero when it has ended.
    pub(super) fn left(&self, now: BootTime) -> Duration {
        self.ends.since(now)
    }

    /// Somebody else has it.
    pub(super) fn end(&mut self) {
        self.ends = BootTime::at(Duration::ZERO);
    }
}
