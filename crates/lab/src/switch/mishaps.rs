//! What happens to handlers at random moments: one is killed, or frozen for longer than its right to write lasts.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use super::ledger::Ledger;
use super::options::SwitchOptions;
use crate::error::LabError;
use crate::signals;

/// The file that says what happened when, beside the logs.
const FILE: &str = "mishaps.txt";

/// Something that happens to a handler.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mishap {
    /// It is killed; its host starts it again.
    Kill,
    /// It is stopped for so long, and then goes on as if nothing had been.
    Freeze(Duration),
}

/// When mishaps happen, to which handler, and what they are. Pure.
#[derive(Debug)]
struct Schedule {
    random: StdRng,
    kills_a_minute: f64,
    freezes_a_minute: f64,
    lease: Duration,
    handlers: usize,
}

impl Schedule {
    fn new(options: &SwitchOptions) -> Self {
        Self {
            random: StdRng::seed_from_u64(options.seed),
            kills_a_minute: options.kills,
            freezes_a_minute: options.freezes,
            lease: Duration::from_secs(options.lease_seconds.into()),
            handlers: options.handlers.into(),
        }
    }

    /// How long until the next one, the handler's number from 0, and what it is; none where there are none a minute.
    fn next(&mut self) -> Option<(Duration, usize, Mishap)> {
        let a_minute = self.kills_a_minute + self.freezes_a_minute;
        if a_minute <= 0.0 {
            return None;
        }
        // Each is independent of the one before.
        let apart = -(1.0 - self.random.random::<f64>()).ln() * 60.0 / a_minute;
        let handler = self.random.random_range(0..self.handlers);
        let is_kill = self.random.random::<f64>() * a_minute < self.kills_a_minute;
        let frozen = self.lease.mul_f64(self.random.random_range(1.0..2.0));
        let mishap = if is_kill { Mishap::Kill } else { Mishap::Freeze(frozen) };
        Some((Duration::from_secs_f64(apart), handler, mishap))
    }
}

/// What has happened: when since the run began, to which handler.
type Happened = Vec<(Duration, usize, Mishap)>;

/// Kills and freezes handlers. A clone is the same one.
#[derive(Debug, Clone)]
pub(super) struct Mishaps {
    ledger: Ledger,
    happened: Arc<Mutex<Happened>>,
}

impl Mishaps {
    /// None yet; their moments are those of the ledger.
    pub(super) fn new(ledger: &Ledger) -> Self {
        Self { ledger: ledger.clone(), happened: Arc::default() }
    }

    /// Lets them happen to the handlers of the hosts with these control ports, until it is told to stop. What is frozen
    /// then goes on first.
    pub(super) async fn happen(
        self,
        http: reqwest::Client,
        hosts: Vec<String>,
        options: SwitchOptions,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut schedule = Schedule::new(&options);
        while let Some((apart, handler, mishap)) = schedule.next() {
            tokio::select! {
                () = sleep(apart) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let Some(host) = hosts.get(handler) else { return };
            // A handler that is just being started is left alone.
            let Some(pid) = running(&http, host).await else { continue };
            self.lock().push((self.ledger.now(), handler, mishap));
            match mishap {
                Mishap::Kill => signals::kill(pid),
                Mishap::Freeze(time) => {
                    signals::freeze(pid);
                    sleep(time).await;
                    signals::go_on(pid);
                }
            }
        }
    }

    /// Writes down when each one happened; nothing when there were none.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn keep(&self, logs: &Path) -> Result<(), LabError> {
        let happened = self.lock();
        if happened.is_empty() {
            return Ok(());
        }
        let line = |(at, handler, mishap): &(Duration, usize, Mishap)| {
            format!("{:.3} handler {} {mishap:?}\n", at.as_secs_f64(), handler + 1)
        };
        let path = logs.join(FILE);
        std::fs::write(&path, happened.iter().map(line).collect::<String>()).map_err(LabError::file(&path))
    }

    fn lock(&self) -> MutexGuard<'_, Happened> {
        self.happened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Mishaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let happened = self.lock();
        let kills = happened.iter().filter(|(_, _, mishap)| *mishap == Mishap::Kill).count();
        write!(f, "{kills} kills, {} freezes", happened.len() - kills)
    }
}

/// The process id of the handler, if it has begun to answer.
async fn running(http: &reqwest::Client, host: &str) -> Option<i32> {
    let answer = http.get(format!("{host}/handler")).send().await.ok()?;
    let handler: Value = answer.json().await.ok()?;
    let is_ready = handler.get("state").and_then(Value::as_str) == Some("ready");
    let pid = handler.get("pid").and_then(Value::as_i64).filter(|_| is_ready)?;
    i32::try_from(pid).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kills_a_minute: f64, freezes_a_minute: f64) -> Schedule {
        let random = StdRng::seed_from_u64(7);
        let lease = Duration::from_secs(2);
        Schedule { random, kills_a_minute, freezes_a_minute, lease, handlers: 2 }
    }

    #[test]
    fn mishaps_are_as_frequent_as_they_shall_be() {
        let mut schedule = schedule(3.0, 6.0);
        let all: Vec<_> = std::iter::from_fn(|| schedule.next()).take(9_000).collect();
        let minutes = all.iter().map(|(apart, ..)| apart.as_secs_f64()).sum::<f64>() / 60.0;
        let kills = all.iter().filter(|(_, _, mishap)| *mishap == Mishap::Kill).count() as f64;
        assert!((950.0..1_050.0).contains(&minutes), "{minutes} minutes");
        assert!((2_800.0..3_200.0).contains(&kills), "{kills} kills");
        assert!(all.iter().any(|(_, handler, _)| *handler == 0));
        assert!(all.iter().any(|(_, handler, _)| *handler == 1));
    }

    #[test]
    fn a_freeze_lasts_longer_than_the_lease() {
        let mut schedule = schedule(0.0, 1.0);
        let lease = schedule.lease;
        let is_long =
            |mishap: Mishap| matches!(mishap, Mishap::Freeze(time) if time >= lease && time <= lease * 2);
        assert!(std::iter::from_fn(|| schedule.next()).take(100).all(|(_, _, mishap)| is_long(mishap)));
    }

    #[test]
    fn a_seed_is_a_schedule_and_without_a_rate_there_is_none() {
        let of =
            |mut schedule: Schedule| std::iter::from_fn(move || schedule.next()).take(9).collect::<Vec<_>>();
        assert_eq!(of(schedule(1.0, 1.0)), of(schedule(1.0, 1.0)));
        assert_eq!(of(schedule(0.0, 0.0)), []);
    }
}
