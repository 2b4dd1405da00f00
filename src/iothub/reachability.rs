//! A short memory of a hub that does not answer, so that a batch does not find it out a hundred times.
//!
//! It only ever makes a call fail as unavailable; it decides nothing about any identity.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Trouble in a row, without a good answer between, until calls fail at once.
const TOO_MUCH: u32 = 18;

/// What no connection, or no answer in time, counts for: three are too much.
const NO_ANSWER: u32 = 6;

/// What a 5xx counts for. One request may meet several and still come through; when all requests of a
/// batch meet nothing else, the hub is not there.
const SERVER_ERROR: u32 = 1;

/// How long calls then fail at once, until one is let through to try.
const PAUSE: Duration = Duration::from_secs(5);

/// Whether a hub has answered lately. Time comes in as an argument.
#[derive(Debug, Default)]
pub(crate) struct Reachability(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    trouble: u32,
    /// When the next call may try.
    trial_at: Option<Instant>,
}

impl Reachability {
    /// Whether a call may be sent now. After too much trouble one call per [`PAUSE`] may.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.trial_at {
            Some(at) if now < at => false,
            Some(_) => {
                memory.trial_at = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    /// Whether calls fail at once now; lets nothing through.
    pub(crate) fn is_closed(&self, now: Instant) -> bool {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.trial_at.is_some_and(|at| now < at)
    }

    /// The next call may try, whatever was before.
    pub(crate) fn try_again(&self) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.trial_at = memory.trial_at.map(|_| Instant::now());
    }

    /// The hub answered; with `server_error`, a 5xx.
    pub(crate) fn answered(&self, now: Instant, server_error: bool) {
        match server_error {
            true => self.trouble(now, SERVER_ERROR),
            false => *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Memory::default(),
        }
    }

    /// No connection, or no answer in the time of a whole attempt.
    pub(crate) fn failed(&self, now: Instant) {
        self.trouble(now, NO_ANSWER);
    }

    fn trouble(&self, now: Instant, weight: u32) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.trouble = memory.trouble.saturating_add(weight);
        if memory.trouble >= TOO_MUCH {
            memory.trial_at = Some(now + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(now: Instant) -> Reachability {
        let hub = Reachability::default();
        (0..3).for_each(|_| hub.failed(now));
        hub
    }

    #[test]
    fn two_failures_stop_nothing() {
        let (hub, now) = (Reachability::default(), Instant::now());
        hub.failed(now);
        hub.failed(now);
        assert!(hub.admits(now));
    }

    #[test]
    fn one_request_may_meet_several_server_errors_and_a_whole_batch_may_not() {
        let (hub, now) = (Reachability::default(), Instant::now());
        (0..10).for_each(|_| hub.answered(now, true));
        assert!(hub.admits(now));
        (0..10).for_each(|_| hub.answered(now, true));
        assert!(!hub.admits(now));
    }

    #[test]
    fn a_dead_hub_is_tried_by_one_call_at_a_time() {
        let now = Instant::now();
        let hub = dead(now);
        assert!(!hub.admits(now));
        assert!(hub.admits(now + PAUSE));
        assert!(!hub.admits(now + PAUSE));
    }

    #[test]
    fn one_answer_opens_the_way_again() {
        let now = Instant::now();
        let hub = dead(now);
        hub.answered(now, false);
        assert!(hub.admits(now));
    }

    #[test]
    fn a_trial_that_was_abandoned_does_not_close_the_way_for_ever() {
        let now = Instant::now();
        let hub = dead(now);
        assert!(hub.admits(now + PAUSE));
        assert!(hub.admits(now + PAUSE * 2));
    }
}
