//! The attempts of one call: made again while that can help and the deadline leaves time.
//!
//! A write whose answer was lost may be sent again only because its precondition fences it: the second
//! one then fails as [`HubErrorKind::Stale`] or [`HubErrorKind::Exists`], and the caller looks again.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Deadline;
use super::error::{HubError, HubErrorKind};
use super::reachability::Reachability;
use super::retry::{self, Passing};
use super::throttle::Throttle;
use super::wire::ErrorBody;

/// Why a call is not made.
const NOT_ANSWERING: &str = "the hub did not answer the calls before this one";

/// A failed attempt, and whether another may help.
pub(crate) struct Failure {
    pub(crate) error: HubError,
    passing: Option<Passing>,
}

impl Failure {
    /// Another attempt may help.
    pub(crate) fn passing(error: HubError) -> Self {
        Self { error, passing: Some(Passing::Unavailable) }
    }

    /// Another attempt would end the same way.
    pub(crate) fn definite(error: HubError) -> Self {
        Self { error, passing: None }
    }

    /// The wait that a 429 means, by the hub's clock; never longer than the longest there is.
    pub(crate) fn throttled(&self) -> Option<Duration> {
        match self.passing {
            Some(Passing::Throttled(asked)) => {
                Some(asked.unwrap_or(retry::FIRST_WAIT_THROTTLED).min(retry::LONGEST_WAIT))
            }
            _ => None,
        }
    }

    /// What an error answer means.
    pub(crate) fn of(body: ErrorBody, status: StatusCode) -> Self {
        let passing = match status.as_u16() {
            429 => Some(Passing::Throttled(body.wait())),
            501 => None,
            408 | 500..=599 => Some(Passing::Unavailable),
            _ => None,
        };
        Self { error: body.into_error(status), passing }
    }
}

/// What has been tried so far.
pub(crate) struct Attempts {
    deadline: Deadline,
    failed: u32,
    last: Option<HubError>,
}

impl Attempts {
    pub(crate) fn until(deadline: Deadline) -> Self {
        Self { deadline, failed: 0, last: None }
    }

    /// A turn that did not come: what failed before says more than that.
    pub(crate) fn turn(&mut self, turn: Result<(), HubError>) -> Result<(), HubError> {
        turn.map_err(|error| self.last.take().unwrap_or(error))
    }

    /// A place among those in flight.
    pub(crate) async fn place<'a>(&mut self, places: &'a Semaphore) -> Result<SemaphorePermit<'a>, HubError> {
        let left = self.deadline.left();
        match tokio::time::timeout(left, places.acquire()).await {
            Ok(Ok(place)) if !self.deadline.is_over() => Ok(place),
            _ => Err(self.last.take().unwrap_or_else(|| self.deadline.not_sent())),
        }
    }

    /// Whether it is worth while to wait for a turn, for all that is known of the hub.
    pub(crate) fn worth_waiting(&mut self, reachability: &Reachability) -> Result<(), HubError> {
        match reachability.is_closed(Instant::now()) {
            true => Err(self.give_up()),
            false => Ok(()),
        }
    }

    /// Whether the next attempt may be made, for all that is known of the hub.
    pub(crate) fn admit(&mut self, reachability: &Reachability) -> Result<(), HubError> {
        if reachability.admits(Instant::now()) {
            return Ok(());
        }
        Err(self.give_up())
    }

    /// The last failure says more than why the next attempt is not made.
    fn give_up(&mut self) -> HubError {
        self.last.take().unwrap_or_else(|| HubError::new(HubErrorKind::Unavailable, NOT_ANSWERING))
    }

    /// Waits for the next attempt, or gives the failure back when there shall be none. `throttle` knows how fast the
    /// hub's clock is, by which a throttled call waits.
    pub(crate) async fn pause(&mut self, failure: Failure, throttle: &Throttle) -> Result<(), HubError> {
        let Failure { error, passing } = failure;
        let Some(passing) = passing else { return Err(error) };
        self.failed += 1;
        let wait = match (retry::wait(self.failed, passing, rand::random()), passing) {
            (wait, Passing::Throttled(_)) => throttle.real(wait),
            (wait, Passing::Unavailable) => wait,
        };
        if self.failed > retry::MOST_RETRIES || wait >= self.deadline.left() {
            return Err(error);
        }
        tracing::debug!(%error, attempt = self.failed, ?wait, "will be tried again");
        self.last = Some(error);
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_names_an_absurd_wait_stops_nobody_for_longer_than_a_minute() {
        for seconds in [61, u64::MAX] {
            let error = HubError::new(HubErrorKind::Throttled, "");
            let passing = Some(Passing::Throttled(Some(Duration::from_secs(seconds))));
            assert_eq!(Failure { error, passing }.throttled(), Some(Duration::from_secs(60)));
        }
    }
}
