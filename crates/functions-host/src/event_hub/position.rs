//! How far every partition of every function has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use crate::invocation::{Attempts, Failure};

/// The state of one partition of one function.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Position {
    /// The sequence number after the last checkpoint.
    pub(crate) next: i64,
    /// Invocations that have begun and not ended, those of former owners included.
    pub(crate) in_flight: u32,
    /// Retries of the batch in flight; 0 on its first attempt.
    pub(crate) retry_count: i64,
    /// What ended the attempt before this one.
    pub(crate) last_failure: Option<String>,
    /// Batches that were checkpointed although their invocation had failed: those events are lost.
    pub(crate) lost_batches: u64,
    /// How often the partition went to another owner.
    pub(crate) moves: u64,
}

/// All positions, by function and partition id. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Positions {
    table: Arc<Mutex<BTreeMap<String, BTreeMap<String, Position>>>>,
    /// Counts the changes, for whoever waits for one.
    changes: Arc<watch::Sender<u64>>,
}

impl Positions {
    pub(crate) fn new() -> Self {
        Self { table: Arc::default(), changes: Arc::new(watch::Sender::new(0)) }
    }

    /// A copy of everything, consistent in itself.
    pub(crate) fn all(&self) -> BTreeMap<String, BTreeMap<String, Position>> {
        self.lock().clone()
    }

    pub(crate) fn get(&self, function: &str, partition: &str) -> Option<Position> {
        self.lock().get(function)?.get(partition).cloned()
    }

    /// Changes one position, which is made when it is new, and tells the waiting.
    pub(crate) fn change(&self, function: &str, partition: &str, change: impl FnOnce(&mut Position)) {
        {
            let mut table = self.lock();
            change(table.entry(function.to_owned()).or_default().entry(partition.to_owned()).or_default());
        }
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Tells the waiting to look again, although no position has changed.
    pub(crate) fn nudge(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Position>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One batch in flight; ends when dropped.
pub(crate) struct InFlight {
    positions: Positions,
    function: String,
    partition: String,
}

impl InFlight {
    pub(crate) fn begin(positions: &Positions, function: &str, partition: &str) -> Self {
        positions.change(function, partition, |position| position.in_flight += 1);
        Self { positions: positions.clone(), function: function.to_owned(), partition: partition.to_owned() }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.positions.change(&self.function, &self.partition, |position| {
            position.in_flight = position.in_flight.saturating_sub(1);
            position.retry_count = 0;
        });
    }
}

impl Attempts for InFlight {
    fn begins(&self, retry_count: i64, failure: Option<&Failure>) {
        self.positions.change(&self.function, &self.partition, |position| {
            position.retry_count = retry_count;
            position.last_failure = failure.map(ToString::to_string).or_else(|| position.last_failure.take());
        });
    }
}
