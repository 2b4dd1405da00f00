//! What came to pass lately.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::{Value, json};

/// So much is remembered.
const LATELY: usize = 20;

/// What came to pass lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Happened {
    newest_first: VecDeque<(Timestamp, String)>,
}

impl Happened {
    /// Something came to pass now.
    pub(crate) fn tell(&mut self, what: impl Into<String>) {
        self.newest_first.push_front((Timestamp::now(), what.into()));
        self.newest_first.truncate(LATELY);
    }

    /// As the page reads it.
    pub(super) fn newest_first(&self) -> Vec<Value> {
        self.newest_first.iter().map(|(at, what)| json!({"at": at, "what": what})).collect()
    }
}
