//! One promotion, and what it took.

use std::time::Duration;

/// One promotion, with what it took. Times since the run began.
#[derive(Debug, Clone)]
pub(super) struct Promotion {
    /// From 1.
    pub(super) number: u32,
    /// Whether the active hub was killed.
    pub(super) forced: bool,
    /// Whether the roles were forced back before both hubs were in-sync again.
    pub(super) goes_back: bool,
    /// The hub that was to become active.
    pub(super) to: String,
    /// When `promote` was called.
    pub(super) began: Duration,
    /// The cut of the record, by storage's clock, which has whole seconds.
    pub(super) cut: Option<Duration>,
    /// When the router named that hub.
    pub(super) answered: Option<Duration>,
    /// When the killed hub came back; a planned promotion's is its beginning.
    pub(super) back: Duration,
    /// When the other hub was in-sync again.
    pub(super) in_sync: Option<Duration>,
    /// What else was to be said.
    pub(super) note: String,
}

impl Promotion {
    /// Whether it came to its end, or nobody waited for that.
    pub(super) fn is_complete(&self) -> bool {
        self.in_sync.is_some() || self.goes_back && self.answered.is_some()
    }

    /// Seconds from `promote` to the router's answer.
    pub(super) fn to_answer(&self) -> Option<f64> {
        self.answered.map(|at| at.saturating_sub(self.began).as_secs_f64())
    }

    /// Seconds until both hubs were in-sync again: from `promote`, or from the moment the dead hub came back.
    pub(super) fn to_in_sync(&self) -> Option<f64> {
        self.in_sync.map(|at| at.saturating_sub(self.back).as_secs_f64())
    }

    /// For the terminal.
    pub(super) fn in_short(&self) -> String {
        let shown = |seconds: Option<f64>| seconds.map_or("never".to_owned(), |it| format!("{it:.1} s"));
        format!("router {} · in-sync {} {}", shown(self.to_answer()), shown(self.to_in_sync()), self.note)
    }
}
