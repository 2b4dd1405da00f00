//! One hub's throttles: the lines of all classes, and waiting in them for real.

use serde_json::{Map, Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

use super::class::{Class, Demand};
use super::ledger::Ledger;
use super::shaper::Shaper;
use super::tier::Throttling;
use crate::error::{ErrorCode, HubError};

/// The class that had no room within the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub Class);

impl Refused {
    /// In the service's words (observed for configurations).
    #[must_use]
    pub fn error(self) -> HubError {
        let operation = self.0.name();
        let text = format!(
            "The request has been throttled. Wait 10 seconds and try again. Operation type: {operation}"
        );
        HubError::new(ErrorCode::ThrottlingBacklogTimeout, text)
    }
}

/// The throttles of one hub; off unless set.
#[derive(Debug, Default)]
pub struct Throttles {
    active: Mutex<Option<Active>>,
}

/// The throttles of a tier since they were set.
#[derive(Debug)]
struct Active {
    throttling: Throttling,
    began: Instant,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    class: Class,
    shaper: Shaper,
    ledger: Ledger,
}

impl Throttles {
    fn lock(&self) -> MutexGuard<'_, Option<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew with these limits, or with none. What is waiting already waits on as it was told.
    pub fn set(&self, throttling: Option<Throttling>) {
        *self.lock() = throttling.map(Active::new);
    }

    /// Whether there are any.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.lock().is_some()
    }

    /// Waits for the turn of a request. Its place stays taken when the client does not wait for it.
    ///
    /// # Errors
    /// The class in which the wait would be longer than `backlog` (by the hub's clock); then nothing is taken.
    pub async fn admit(&self, demands: &[Demand], backlog: Duration) -> Result<(), Refused> {
        let wait = match self.lock().as_mut() {
            Some(active) => {
                active.take(active.now(), demands, backlog)?.div_f64(active.throttling.time_scale)
            }
            None => Duration::ZERO,
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Forgets the counts, not what is used up.
    pub fn forget(&self) {
        for line in self.lock().iter_mut().flat_map(|active| &mut active.lines) {
            line.ledger = Ledger::default();
        }
    }

    /// The tier and the counts of every class.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self.lock().as_mut() {
            None => json!({"tier": null, "timeScale": null, "classes": {}}),
            Some(active) => active.shown(),
        }
    }
}

impl Active {
    fn new(throttling: Throttling) -> Self {
        let line = |class: &Class| Line {
            class: *class,
            shaper: Shaper::new(class.limit(throttling.tier)),
            ledger: Ledger::default(),
        };
        Self { throttling, began: Instant::now(), lines: Class::ALL.iter().map(line).collect() }
    }

    /// What the hub's own clock says.
    fn now(&self) -> Duration {
        self.began.elapsed().mul_f64(self.throttling.time_scale)
    }

    /// Takes places for all demands, or for none; how long to wait, by the hub's own clock.
    fn take(&mut self, now: Duration, demands: &[Demand], backlog: Duration) -> Result<Duration, Refused> {
        let mut longest = Duration::ZERO;
        for demand in demands {
            let Some(line) = self.lines.iter_mut().find(|line| line.class == demand.class) else { continue };
            let wait = line.shaper.wait(now, demand.items);
            if wait > backlog {
                line.ledger.refuse(demand.items);
                return Err(Refused(demand.class));
            }
            longest = longest.max(wait);
        }
        for demand in demands {
            let Some(line) = self.lines.iter_mut().find(|line| line.class == demand.class) else { continue };
            let wait = line.shaper.wait(now, demand.items);
            line.shaper.take(now, demand.items);
            line.ledger.admit(now, wait, demand.items);
        }
        Ok(longest)
    }

    fn shown(&mut self) -> Value {
        let (now, tier) = (self.now(), self.throttling.tier);
        let shown = self
            .lines
            .iter_mut()
            .map(|line| (line.class.name().to_owned(), line.ledger.shown(now, line.class.limit(tier))));
        let classes: Map<String, Value> = shown.collect();
        json!({"tier": tier.to_string(), "timeScale": self.throttling.time_scale, "classes": classes})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const BACKLOG: Duration = Duration::from_secs(10);

    fn bulk(class: Class, items: u64) -> Demand {
        Demand { class, items }
    }

    #[test]
    fn what_would_wait_longer_than_the_backlog_is_refused_and_takes_nothing() {
        let mut hub = Active::new("S1x1".parse().unwrap());
        let mut take = |demands: &[Demand]| hub.take(Duration::ZERO, demands, BACKLOG);
        assert_eq!(take(&[bulk(Class::IdentityCreate, 100)]), Ok(Duration::ZERO));
        let both = [Demand::one(Class::TwinRead), bulk(Class::IdentityCreate, 17)];
        assert_eq!(take(&both), Err(Refused(Class::IdentityCreate)));
        assert_eq!(take(&[bulk(Class::IdentityCreate, 16)]), Ok(Duration::from_millis(9600)));
        let shown = hub.shown();
        let create = &shown["classes"]["IdentityCreate"];
        assert_eq!([&create["admitted"], &create["refused"], &create["delayed"]], [116, 17, 1]);
        assert_eq!(create["longestWaitMs"], 9600);
        assert_eq!(shown["classes"]["TwinRead"]["admitted"], 0);
    }

    #[test]
    fn classes_do_not_wait_for_each_other() {
        let mut hub = Active::new("S1x1".parse().unwrap());
        assert_eq!(hub.take(Duration::ZERO, &[bulk(Class::IdentityRead, 100)], BACKLOG), Ok(Duration::ZERO));
        assert_eq!(
            hub.take(Duration::ZERO, &[bulk(Class::IdentityCreate, 100)], BACKLOG),
            Ok(Duration::ZERO)
        );
        let wait = hub.take(Duration::ZERO, &[Demand::one(Class::IdentityRead)], BACKLOG);
        assert_eq!(wait, Ok(Duration::from_millis(600)));
    }
}
