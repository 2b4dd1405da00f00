//! What the host does when the handler ends: observed for 0, 64, 143 and crashes, the rest read in the host's source.

use std::time::{Duration, Instant};

/// The exit code that asks for a restart without counting as an error.
const RESTART_REQUESTED: i32 = 200;
/// An error is forgotten when the one before it is older than this.
const ERROR_MEMORY: Duration = Duration::from_secs(30 * 60);

/// How the handler's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that the host did not send, or was told to send by hand.
    Killed,
    /// By the host, because an invocation ran into `functionTimeout`.
    TimedOut,
    /// It did not answer within `initializationTimeout`.
    NeverReady,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Nothing at all: the process is gone and invocations fail.
    Ignore,
    Restart,
    StopHost,
}

/// Counts the errors that bring the host down.
#[derive(Debug)]
pub(super) struct ErrorCount {
    max_restarts: u32,
    errors: u32,
    newest: Option<Instant>,
}

impl ErrorCount {
    pub(super) fn new(max_restarts: u32) -> Self {
        Self { max_restarts, errors: 0, newest: None }
    }

    /// Decides, and counts when it is an error.
    pub(super) fn react(&mut self, end: End, now: Instant) -> Reaction {
        match end {
            End::Exited(0) => Reaction::Ignore,
            End::Exited(RESTART_REQUESTED) | End::TimedOut => Reaction::Restart,
            End::Exited(_) | End::Killed | End::NeverReady => self.count(now),
        }
    }

    fn count(&mut self, now: Instant) -> Reaction {
        if self.newest.is_some_and(|newest| now.duration_since(newest) > ERROR_MEMORY) {
            self.errors = 0;
        }
        self.newest = Some(now);
        self.errors += 1;
        if self.errors > self.max_restarts { Reaction::StopHost } else { Reaction::Restart }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_error_stops_the_host() {
        let (mut count, now) = (ErrorCount::new(2), Instant::now());
        assert_eq!(count.react(End::Exited(1), now), Reaction::Restart);
        assert_eq!(count.react(End::Killed, now), Reaction::Restart);
        assert_eq!(count.react(End::NeverReady, now), Reaction::StopHost);
    }

    #[test]
    fn exit_200_and_function_timeouts_restart_without_counting() {
        let (mut count, now) = (ErrorCount::new(0), Instant::now());
        for _ in 0..5 {
            assert_eq!(count.react(End::Exited(200), now), Reaction::Restart);
            assert_eq!(count.react(End::TimedOut, now), Reaction::Restart);
        }
        assert_eq!(count.react(End::Killed, now), Reaction::StopHost);
    }

    #[test]
    fn exit_0_is_never_restarted() {
        assert_eq!(ErrorCount::new(2).react(End::Exited(0), Instant::now()), Reaction::Ignore);
    }

    #[test]
    fn errors_are_forgotten_after_half_an_hour() {
        let (mut count, start) = (ErrorCount::new(1), Instant::now());
        assert_eq!(count.react(End::Killed, start), Reaction::Restart);
        assert_eq!(count.react(End::Killed, start + Duration::from_secs(1_801)), Reaction::Restart);
        assert_eq!(count.react(End::Killed, start + Duration::from_secs(1_900)), Reaction::StopHost);
    }
}
