//! The owner of one partition: fetches ahead, runs batch after batch, checkpoints.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::payload::{self, Binding};
use super::position::InFlight;
use super::{Checkpoints, Event, EventLog, Positions};
use crate::app::{Cardinality, EventHubTrigger, Function};
use crate::invocation::{Outcome, Runner};
use crate::log::EVENT_HUBS;

/// The pause after the event log has failed to answer.
const LOG_RETRY: Duration = Duration::from_millis(200);

/// A function with its event hub trigger.
#[derive(Clone, Debug)]
pub(crate) struct EventHubFunction {
    pub(crate) function: Function,
    pub(crate) trigger: EventHubTrigger,
}

/// What all owners share.
#[derive(Clone)]
pub(crate) struct OwnerContext {
    pub(crate) log: EventLog,
    pub(crate) runner: Runner,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) positions: Positions,
    /// Events per batch at most, for `cardinality: many`.
    pub(crate) max_batch: usize,
    /// Events fetched ahead at most.
    pub(crate) prefetch: usize,
    /// Cancelled when the host stops.
    pub(crate) stop: CancellationToken,
}

/// One partition of one function, whoever owns it at the moment.
pub(crate) struct Partition {
    function: Arc<EventHubFunction>,
    id: String,
    context: OwnerContext,
    /// Cancelled when the present owner loses the partition; nothing while this host does not own it. Locked around
    /// every checkpoint, so that a former owner never writes one.
    owner: Mutex<Option<CancellationToken>>,
}

impl Partition {
    /// Reads the checkpoint; nobody owns the partition yet.
    ///
    /// # Errors
    /// When the checkpoint cannot be read.
    pub(crate) fn new(
        function: Arc<EventHubFunction>,
        id: String,
        context: OwnerContext,
    ) -> std::io::Result<Arc<Self>> {
        let partition = Arc::new(Self { function, id, context, owner: Mutex::new(None) });
        partition.return_to_checkpoint()?;
        Ok(partition)
    }

    /// Takes the partition away from its owner, whose invocation runs on without effect, and gives it to another one,
    /// which begins at the checkpoint. Returns that position.
    pub(crate) fn move_to_another_owner(self: &Arc<Self>) -> i64 {
        self.replace_owner(Some(self.context.stop.child_token()));
        self.next()
    }

    /// Takes the partition away from its owner, whose invocation runs on without effect, and gives it to nobody here.
    /// From now on this host writes no checkpoint of it. Returns the last one.
    pub(crate) fn release(self: &Arc<Self>) -> i64 {
        self.replace_owner(None);
        self.next()
    }

    /// Owns the partition from its checkpoint on, which another host may have written. Returns that position.
    ///
    /// # Errors
    /// When the checkpoint cannot be read.
    pub(crate) fn acquire(self: &Arc<Self>) -> std::io::Result<i64> {
        self.replace_owner(None);
        self.return_to_checkpoint()?;
        self.replace_owner(Some(self.context.stop.child_token()));
        Ok(self.next())
    }

    pub(crate) fn is_owned(&self) -> bool {
        self.lock_owner().is_some()
    }

    fn return_to_checkpoint(&self) -> std::io::Result<()> {
        // Without a folder the position in memory is the checkpoint.
        if let Some(next) = self.context.checkpoints.read(self.name(), &self.id)? {
            self.context.positions.change(self.name(), &self.id, |position| position.next = next);
        }
        Ok(())
    }

    fn replace_owner(self: &Arc<Self>, new: Option<CancellationToken>) {
        {
            let mut owner = self.lock_owner();
            let former = std::mem::replace(&mut *owner, new.clone());
            let moved = u64::from(former.is_some());
            former.inspect(CancellationToken::cancel);
            self.context.positions.change(self.name(), &self.id, |position| position.moves += moved);
        }
        if let Some(token) = new {
            self.spawn_owner(token);
        }
    }

    fn lock_owner(&self) -> MutexGuard<'_, Option<CancellationToken>> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn name(&self) -> &str {
        &self.function.function.name
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The sequence number the log will give next.
    pub(crate) async fn end(&self) -> Result<i64, String> {
        self.context.log.end(&self.function.trigger.event_hub, &self.id, self.next()).await
    }

    fn next(&self) -> i64 {
        self.context.positions.get(self.name(), &self.id).map_or(0, |position| position.next)
    }

    fn spawn_owner(self: &Arc<Self>, lost: CancellationToken) {
        let (events, fetched) = mpsc::channel(self.context.prefetch);
        tokio::spawn(fetch(Arc::clone(self), self.next(), events, lost.clone()));
        tokio::spawn(work(Arc::clone(self), fetched, lost));
    }

    /// Writes the checkpoint, unless the partition was lost. `false`: lost.
    fn checkpoint(&self, next: i64, failed: bool, lost: &CancellationToken) -> bool {
        let owner = self.lock_owner();
        if lost.is_cancelled() {
            return false;
        }
        if let Err(error) = self.context.checkpoints.write(self.name(), &self.id, next) {
            let place = format!("{}/{}", self.name(), self.id);
            self.context
                .runner
                .log
                .error(EVENT_HUBS, &format!("The checkpoint of {place} cannot be written: {error}"));
        }
        self.context.positions.change(self.name(), &self.id, |position| {
            position.next = next;
            position.lost_batches += u64::from(failed);
        });
        drop(owner);
        true
    }
}

/// Fetches ahead while batches run, so that the next one is there when the last has ended.
async fn fetch(
    partition: Arc<Partition>,
    mut from: i64,
    events: mpsc::Sender<Event>,
    lost: CancellationToken,
) {
    let context = &partition.context;
    let hub = &partition.function.trigger.event_hub;
    let mut failing = false;
    loop {
        let page = tokio::select! {
            () = lost.cancelled() => return,
            page = context.log.next_events(hub, &partition.id, from, context.prefetch) => page,
        };
        let page = match page {
            Ok(page) => page,
            Err(reason) => {
                if !std::mem::replace(&mut failing, true) {
                    context.runner.log.warning(EVENT_HUBS, &format!("{hub}/{}: {reason}", partition.id));
                }
                tokio::time::sleep(LOG_RETRY).await;
                continue;
            }
        };
        failing = false;
        for event in page {
            from = event.sequence_number + 1;
            tokio::select! {
                () = lost.cancelled() => return,
                sent = events.send(event) => if sent.is_err() { return },
            }
        }
    }
}

/// Runs batch after batch, in order, one at a time.
async fn work(partition: Arc<Partition>, mut fetched: mpsc::Receiver<Event>, lost: CancellationToken) {
    let many = partition.function.trigger.cardinality == Cardinality::Many;
    let max = if many { partition.context.max_batch } else { 1 };
    loop {
        let mut batch = Vec::with_capacity(max);
        let received = tokio::select! {
            () = lost.cancelled() => return,
            received = fetched.recv_many(&mut batch, max) => received,
        };
        let Some(last) = batch.last().filter(|_| received > 0) else { return };
        let next = last.sequence_number + 1;
        let failed = match run_batch(&partition, &batch, &lost).await {
            Outcome::Succeeded(_) => false,
            // The checkpoint is written whatever the result: without a retry policy those events are lost.
            Outcome::Failed(_) => true,
            Outcome::Interrupted => return,
        };
        if !partition.checkpoint(next, failed, &lost) {
            return;
        }
    }
}

async fn run_batch(partition: &Partition, batch: &[Event], lost: &CancellationToken) -> Outcome {
    let context = &partition.context;
    let EventHubFunction { function, trigger } = partition.function.as_ref();
    let in_flight = InFlight::begin(&context.positions, &function.name, &partition.id);
    let binding = Binding { function: &function.name, name: &function.binding, trigger };
    let payload = payload::envelope(binding, &partition.id, batch);
    context.runner.run(function, &payload, "(null)", &in_flight, lost).await
}
