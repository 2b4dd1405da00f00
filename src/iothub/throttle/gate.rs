//! The lines of one hub, and waiting in them for real.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::class::{CallCounts, Counters, OperationClass};
use super::line::{Answered, Lane, Line, Ticket, Turn};
use super::pace::Pace;
use super::search::Sent;
use super::tier::{Limited, Tier};
use crate::iothub::Deadline;
use crate::iothub::error::{HubError, HubErrorKind};

/// Where requests to one hub are counted, and wait for their turn.
#[derive(Debug)]
pub(crate) struct Throttle {
    counters: Counters,
    lines: [Mutex<Line>; Limited::ALL.len()],
    began: Instant,
    /// Seconds of the hub's clock in a real one.
    scale: f64,
}

impl Throttle {
    /// With the limits of a tier, or with those that the hub turns out to have.
    pub(crate) fn new(tier: Option<Tier>) -> Self {
        let pace = |limited| match tier {
            Some(tier) => Pace::known(tier.limit(limited)),
            None => Pace::sought(Tier::SMALLEST.limit(limited)),
        };
        let line = |limited| Mutex::new(Line::new(pace(limited)));
        Self {
            counters: Counters::default(),
            lines: Limited::ALL.map(line),
            began: Instant::now(),
            scale: tier.map_or(1.0, Tier::scale),
        }
    }

    /// Which part of every limit is ours from now on.
    pub(crate) fn share(&self, share: f64) {
        for limited in Limited::ALL {
            if let Some(mut line) = self.line(limited) {
                line.pace.share(share);
            }
        }
    }

    /// Returns when a request of this class may be sent; `items` is what the hub will count it as.
    ///
    /// # Errors
    /// [`HubErrorKind::NoTurn`] when its turn would come, or has not come, before `deadline`.
    pub(crate) async fn turn(
        &self,
        class: OperationClass,
        items: u32,
        lane: Lane,
        deadline: Deadline,
    ) -> Result<(), HubError> {
        for limited in limits_of(class) {
            self.one_turn(*limited, (lane, items), deadline).await?;
        }
        Ok(())
    }

    async fn one_turn(
        &self,
        limited: Limited,
        asked: (Lane, u32),
        deadline: Deadline,
    ) -> Result<(), HubError> {
        let patience = deadline.left().mul_f64(self.scale);
        let joined = self.line(limited).map(|mut line| line.join(self.now(), asked, patience));
        let (ticket, woken) = match joined {
            Some(Ok(place)) => place,
            Some(Err(wait)) => return Err(no_turn(limited, wait.div_f64(self.scale))),
            None => return Ok(()),
        };
        let place = Place { throttle: self, limited, ticket };
        loop {
            let left = deadline.left();
            match self.line(limited).map_or(Turn::Go, |mut line| line.turn(self.now(), place.ticket)) {
                Turn::Go => return Ok(()),
                _ if left.is_zero() => return Err(no_turn(limited, left)),
                Turn::Wait(wait) => {
                    let wait = wait.div_f64(self.scale).min(left);
                    let _woken_or_not = tokio::time::timeout(wait, woken.notified()).await;
                }
                Turn::Behind => {
                    let _until = tokio::time::timeout(left, woken.notified()).await;
                }
            }
        }
    }

    /// The hub refused a request of this class with a 429; the pause that this means, in real time.
    pub(crate) fn refused(&self, class: OperationClass, wait: Duration) {
        for limited in limits_of(class) {
            if let Some(mut line) = self.line(*limited) {
                line.pace.refused(self.now(), wait);
            }
        }
    }

    /// A time of the hub's clock, in real time.
    pub(crate) fn real(&self, wait: Duration) -> Duration {
        wait.div_f64(self.scale)
    }

    /// How many requests of this class a minute are ours, if there is a limit.
    pub(crate) fn per_minute(&self, class: OperationClass) -> Option<f64> {
        let limited = *limits_of(class).first()?;
        self.line(limited).and_then(|line| line.pace.per_minute(self.now())).map(|rate| rate * self.scale)
    }

    /// A request is on its way: what comes of it tells how the hub does.
    pub(crate) fn sent(&self, class: OperationClass, items: u32) -> InFlight<'_> {
        let sent = |limited: &Limited| Some((*limited, self.line(*limited)?.pace.sent(self.now(), items)?));
        InFlight { throttle: self, class, sent: limits_of(class).iter().filter_map(sent).collect() }
    }

    /// A request is sent.
    pub(crate) fn count(&self, class: OperationClass) {
        self.counters.count(class);
    }

    pub(crate) fn counts(&self) -> CallCounts {
        self.counters.read()
    }

    fn now(&self) -> Duration {
        self.began.elapsed().mul_f64(self.scale)
    }

    fn line(&self, limited: Limited) -> Option<MutexGuard<'_, Line>> {
        let line = self.lines.get(limited as usize)?;
        Some(line.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Gives its place up when the caller does not wait any longer.
struct Place<'a> {
    throttle: &'a Throttle,
    limited: Limited,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(mut line) = self.throttle.line(self.limited) {
            line.leave(self.ticket);
        }
    }
}

/// A request on its way. Dropped, it ended without an answer.
pub(crate) struct InFlight<'a> {
    throttle: &'a Throttle,
    class: OperationClass,
    sent: Vec<(Limited, Sent)>,
}

impl InFlight<'_> {
    /// The hub answered, whatever: it has time for us.
    pub(crate) fn answered(mut self) {
        let all = std::mem::take(&mut self.sent);
        for (limited, sent) in all {
            // A session takes longer than a request to the same limit.
            let session = (self.class, limited) == (OperationClass::ReportedWrite, Limited::TwinUpdate);
            self.end(limited, sent, if session { Answered::Untimed } else { Answered::Timed });
        }
    }

    fn end(&self, limited: Limited, sent: Sent, answer: Answered) {
        if let Some(mut line) = self.throttle.line(limited) {
            line.ended(self.throttle.now(), sent, answer);
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        for (limited, sent) in std::mem::take(&mut self.sent) {
            self.end(limited, sent, Answered::Not);
        }
    }
}

fn limits_of(class: OperationClass) -> &'static [Limited] {
    match class {
        OperationClass::RegistryCreate => &[Limited::Create],
        OperationClass::RegistryRead => &[Limited::Read],
        OperationClass::RegistryList | OperationClass::Statistics => &[Limited::List],
        OperationClass::RegistryUpdate => &[Limited::Update],
        OperationClass::RegistryDelete => &[Limited::Delete],
        OperationClass::TwinRead => &[Limited::TwinRead],
        OperationClass::TwinWrite => &[Limited::TwinUpdate],
        OperationClass::Query => &[Limited::Query],
        OperationClass::ReportedWrite => &[Limited::TwinUpdate, Limited::Connect],
    }
}

fn no_turn(limited: Limited, wait: Duration) -> HubError {
    let text = format!("the limit of {limited:?} leaves no turn in time ({} s)", wait.as_secs());
    HubError::new(HubErrorKind::NoTurn, text)
}
