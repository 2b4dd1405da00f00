//! The batch flow: records, hints, identities, reply.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::{OnceCell, Semaphore};

use super::batch::{DeviceWork, group};
use super::budget::Budget;
use super::bulk::Bulk;
use super::dead_letter::DeadLetterStore;
use super::debt::Reason;
use super::echo::Echoes;
use super::followed::Followed;
use super::intake::{Intake, intake};
use super::known_pairs::KnownPairs;
use super::locks::Locks;
use super::owed_store::OwedStore;
use super::pass::Pass;
use super::probe::Probe;
use super::progress::{PartitionProgress, ProgressLog};
use super::tally::Tally;
use super::warrant::Warrant;
use super::worked::Worked;
use crate::host::{EventBatch, Reply};
use crate::iothub::{Deadline, HubClient, Lane};
use crate::model::IdentityId;
use crate::routing::{HubRole, LeaseKeeper};
use crate::storage::Container;

/// What an engine is made of.
#[derive(Debug)]
pub struct Parts {
    /// The primary hub.
    pub primary: HubClient,
    /// The secondary hub.
    pub secondary: HubClient,
    /// The right to write.
    pub authority: LeaseKeeper,
    /// The container `iot-hadr`.
    pub store: Container,
    /// Hub calls in flight, process-wide (`HADR_MAX_IN_FLIGHT`).
    pub max_in_flight: usize,
    /// Deletes in any hour, by all instances together (`HADR_DELETES_PER_HOUR`).
    pub deletes_per_hour: usize,
}

/// Replicates identities from the active hub to the standby. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// What all invocations share.
#[derive(Debug)]
pub(crate) struct Inner {
    primary: HubClient,
    secondary: HubClient,
    bulk_primary: Bulk,
    bulk_secondary: Bulk,
    probe_primary: Probe,
    probe_secondary: Probe,
    authority: LeaseKeeper,
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) store: Container,
    pub(crate) owed: OwedStore,
    pub(crate) dead_letters: DeadLetterStore,
    pub(crate) budget: Budget,
    pub(crate) progress: ProgressLog,
    pub(crate) echoes: Echoes,
    pub(crate) followed: Followed,
    pub(crate) pairs: KnownPairs,
    pub(crate) locks: Locks,
    /// Identities that are owed, as far as this process knows: their notes are cleared eagerly.
    owed_here: Mutex<HashSet<IdentityId>>,
    owed_loaded: OnceCell<()>,
    /// The epoch whose comparison note is known to be written.
    pub(crate) noted_epoch: Mutex<u64>,
    /// The last owed note that was tried again in order; none at the end of all.
    pub(crate) swept_to: Mutex<Option<String>>,
}

/// Owed notes that a process remembers; beyond, the sweep alone clears them.
const OWED_REMEMBERED: usize = 20_000;

impl Engine {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        let in_flight = Arc::new(Semaphore::new(parts.max_in_flight.max(1)));
        let inner = Inner {
            bulk_primary: Bulk::new(parts.primary.clone(), Arc::clone(&in_flight)),
            bulk_secondary: Bulk::new(parts.secondary.clone(), Arc::clone(&in_flight)),
            probe_primary: Probe::default(),
            probe_secondary: Probe::default(),
            owed: OwedStore::new(parts.store.clone()),
            dead_letters: DeadLetterStore::new(parts.store.clone()),
            budget: Budget::new(parts.store.clone(), parts.deletes_per_hour),
            progress: ProgressLog::new(parts.store.clone()),
            echoes: Echoes::default(),
            followed: Followed::default(),
            pairs: KnownPairs::default(),
            locks: Locks::default(),
            owed_here: Mutex::default(),
            owed_loaded: OnceCell::new(),
            noted_epoch: Mutex::new(0),
            swept_to: Mutex::default(),
            primary: parts.primary,
            secondary: parts.secondary,
            authority: parts.authority,
            in_flight,
            store: parts.store,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Owed notes, for whoever lists them.
    pub fn owed(&self) -> &OwedStore {
        &self.inner.owed
    }

    /// Dead letters, for whoever lists them.
    pub fn dead_letters(&self) -> &DeadLetterStore {
        &self.inner.dead_letters
    }

    /// Works a batch off; `Done` only when every record of it is applied, equal already, owed or a
    /// dead letter, the last two in storage. `function` is the name in the log line.
    pub async fn apply(&self, function: &str, batch: EventBatch, deadline: Deadline) -> Reply {
        let started = Instant::now();
        match self.inner.apply(&batch, deadline).await {
            Ok(tally) => {
                self.inner.note_progress(&batch);
                self.inner.progress.flush(false).await;
                let line = tally.line(function, &batch, started.elapsed());
                tracing::debug!("{line}");
                Reply::Done(vec![line])
            }
            Err(why) => {
                tracing::warn!(
                    function,
                    partition = batch.partition,
                    attempt = batch.retry_count,
                    why,
                    "held"
                );
                Reply::Hold(why)
            }
        }
    }
}

impl Inner {
    async fn apply(&self, batch: &EventBatch, deadline: Deadline) -> Result<Tally, String> {
        let Intake { hints, dead, ignored } =
            intake(batch, self.primary.settings(), self.secondary.settings());
        let warrant = Warrant::take(&self.authority).await?;
        self.load_owed().await?;
        for letter in &dead {
            if self.dead_letters.keep(letter).await.map_err(|error| format!("storage: {error:?}"))? {
                tracing::error!(dead_letter = letter.id, reason = letter.reason, "an event leads nowhere");
            }
        }
        let mut tally = Tally { ignored, dead: dead.len(), ..Tally::default() };
        let pass = Pass::new(self, warrant, work_ends(deadline), Lane::Live);
        let worked = pass.work_off(group(hints)).await;
        let worked = pass.again_after_parents(worked).await;
        pass.settle(worked, &mut tally).await?;
        Ok(tally)
    }

    /// The client of a hub.
    pub(crate) fn hub(&self, role: HubRole) -> &HubClient {
        match role {
            HubRole::Primary => &self.primary,
            HubRole::Secondary => &self.secondary,
        }
    }

    /// The creates gathered for a hub.
    pub(crate) fn bulk(&self, role: HubRole) -> &Bulk {
        match role {
            HubRole::Primary => &self.bulk_primary,
            HubRole::Secondary => &self.bulk_secondary,
        }
    }

    /// What a hub says of the probe identity.
    pub(crate) fn probe(&self, role: HubRole) -> &Probe {
        match role {
            HubRole::Primary => &self.probe_primary,
            HubRole::Secondary => &self.probe_secondary,
        }
    }

    /// A write lease for a pass of its own.
    pub(crate) async fn warrant(&self) -> Result<Warrant, String> {
        Warrant::take(&self.authority).await
    }

    /// This identity has an owed note.
    pub(crate) fn owes(&self, id: &IdentityId) {
        let mut owed = self.owed_here.lock().unwrap_or_else(PoisonError::into_inner);
        if owed.len() < OWED_REMEMBERED {
            owed.insert(id.clone());
        }
    }

    /// Its note was cleared.
    pub(crate) fn owes_no_more(&self, id: &IdentityId) {
        self.owed_here.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Whether it has an owed note, as far as this process knows.
    pub(crate) fn is_owed(&self, id: &IdentityId) -> bool {
        self.owed_here.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    async fn load_owed(&self) -> Result<(), String> {
        let load = async {
            for id in self.owed.ids(None, OWED_REMEMBERED).await? {
                if let Some(identity) = super::owed::identity_of(&id) {
                    self.owes(&identity);
                }
            }
            Ok::<(), crate::storage::StorageError>(())
        };
        self.owed_loaded.get_or_try_init(|| load).await.map_err(|error| format!("storage: {error:?}"))?;
        Ok(())
    }

    fn note_progress(&self, batch: &EventBatch) {
        let Some(last) = batch.records.last().filter(|_| !batch.event_hub.is_empty()) else { return };
        self.progress.note(PartitionProgress {
            event_hub: batch.event_hub.clone(),
            partition: batch.partition.clone(),
            sequence_number: last.sequence_number,
            enqueued: last.enqueued,
            applied_at: super::pass::now(),
        });
    }
}

impl Pass<'_> {
    /// Works all devices off, each under its lock, as many at a time as there are places in flight.
    async fn work_off(&self, devices: Vec<DeviceWork>) -> Vec<Worked> {
        let mut running: FuturesUnordered<_> =
            devices.into_iter().map(|work| self.device_work(work)).collect();
        let mut worked = Vec::new();
        while let Some(of_one_device) = running.next().await {
            worked.extend(of_one_device);
        }
        worked
    }

    /// A parent may have come in the same batch as its child: those that missed theirs look again.
    async fn again_after_parents(&self, worked: Vec<Worked>) -> Vec<Worked> {
        let (missed, mut settled): (Vec<_>, Vec<_>) =
            worked.into_iter().partition(|one| one.is_owed_for(Reason::ParentMissing));
        let mut running: FuturesUnordered<_> = missed.into_iter().map(|one| self.once_more(one)).collect();
        while let Some(one) = running.next().await {
            settled.push(one);
        }
        settled
    }
}

/// Hub calls end before the invocation does: what they leave must still be written down.
pub(crate) fn work_ends(deadline: Deadline) -> Deadline {
    let left = deadline.left();
    let reserve = (left / 5).min(Duration::from_secs(15));
    deadline.or(Deadline::after(left - reserve))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    /// Never run: invocations are served by tasks that move between threads.
    #[allow(dead_code)]
    fn every_flow_can_move_between_threads(engine: &Engine, batch: EventBatch, id: &IdentityId, d: Deadline) {
        is_send(&engine.apply("f", batch, d));
        is_send(&engine.sweep(d));
        is_send(&engine.retry(id, d));
    }
}
