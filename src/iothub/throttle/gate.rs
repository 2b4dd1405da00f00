//! The lines of one hub, and waiting in them for real.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use super::class::{CallCounts, Counters, OperationClass};
use super::line::{Lane, Line, Ticket, Turn};
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
    /// With the limits of a tier, or with none.
    pub(crate) fn new(tier: Option<Tier>) -> Self {
        let line = |limited| Mutex::new(Line::new(Bucket::new(tier.map(|tier| tier.limit(limited)))));
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
                line.bucket.share(share);
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
                Turn::Wait(wait) => tokio::time::sleep(wait.div_f64(self.scale).min(left)).await,
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
                line.bucket.refused(self.now(), wait);
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
        self.line(limited).and_then(|line| line.bucket.per_minute()).map(|rate| rate * self.scale)
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
