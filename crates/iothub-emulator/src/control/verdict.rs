//! What is to happen with a request.

use serde_json::Value;
use std::time::Duration;

/// What is to happen with one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// As usual.
    Proceed,
    /// Answer this and do nothing else.
    Answer(Planned),
    /// Do it, then answer this instead of the truth.
    AnswerAfterApply(Planned),
    /// Close the connection without an answer, having done nothing.
    Drop,
    /// Do it, then close the connection without an answer.
    DropAfterApply,
    /// Close the connection now and do it so much later.
    ApplyLate(Duration),
    /// Close the connection now and do it when told, see [`HubControl::hold`](super::HubControl::hold).
    Hold,
    /// Never answer.
    Hang,
}

/// An answer that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The status.
    pub status: u16,
    /// The body; `None` gives the hub's usual error body for the status.
    pub body: Option<Value>,
}

impl Verdict {
    /// The hub's usual answer with this status, and nothing is done.
    pub(super) fn answer(status: u16) -> Self {
        Self::Answer(Planned { status, body: None })
    }

    /// Whether the hub gets to see the request at all, whatever it then answers.
    pub(super) fn reaches_the_hub(&self) -> bool {
        matches!(self, Self::Proceed | Self::AnswerAfterApply(_) | Self::DropAfterApply | Self::ApplyLate(_))
    }
}
