//! The batch flow: records, hints, identities, reply.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;

use super::batch::{DeviceWork, group};
use super::dead_letter::DeadLetterStore;
use super::in_sync::InSync;
use super::intake::{Dead, Intake, intake};
use super::outcome::{Ended, Ending, Tally};
use super::rejoining::Rejoining;
use super::unknown_hubs::UnknownHubs;
use crate::host::{EventBatch, Reply};
use crate::iothub::{Deadline, Lane};
use crate::pending::{Changed, Pending, Terms};
use crate::reconcile::{HeldLease, Pass, Reason};
use crate::routing::{HubRole, Marker, PartitionProgress, ProgressLog};
use crate::storage::StorageError;

/// Replicates identities from the active hub to the standby.
#[derive(Debug)]
pub struct Engine {
    pending: Pending,
    dead_letters: DeadLetterStore,
    unknown_hubs: UnknownHubs,
    progress: ProgressLog,
}

impl Engine {
    /// Over these notes and what pays them off.
    pub fn new(pending: Pending) -> Self {
        let container = pending.reconciler.store.clone();
        let hub = |role| pending.reconciler.hub(role).settings();
        let unknown_hubs =
            UnknownHubs::new(container.clone(), hub(HubRole::Primary), hub(HubRole::Secondary));
        let (dead_letters, progress) = (DeadLetterStore::new(container.clone()), ProgressLog::new(container));
        Self { pending, dead_letters, unknown_hubs, progress }
    }

    /// Works a batch off; `Done` only when every record of it is applied, equal already, pending or a
    /// dead letter, the last two in storage. `function` is the name in the log line.
    pub async fn apply(&self, function: &str, batch: EventBatch, deadline: Deadline) -> Reply {
        let started = Instant::now();
        match self.work_off(&batch, deadline).await {
            Ok((tally, markers)) => {
                let has_markers = !markers.is_empty();
                self.note_progress(&batch, markers);
                self.progress.flush(has_markers).await;
                let line = tally.line(function, &batch, started.elapsed());
                tracing::debug!("{line}");
                Reply::Done(vec![line])
            }
            Err(why) => {
                let (partition, attempt) = (&batch.partition, batch.retry_count);
                tracing::warn!(function, partition, attempt, why, "held");
                Reply::Hold(why)
            }
        }
    }

    /// Writes down how far each partition is, also what was not due yet.
    pub async fn flush_progress(&self) {
        self.progress.flush(true).await;
    }

    async fn work_off(&self, batch: &EventBatch, deadline: Deadline) -> Result<(Tally, Vec<Marker>), String> {
        let shared = &self.pending.reconciler;
        let hub = |role| shared.hub(role).settings();
        let Intake { hints, dead, ignored, markers, unknown_hubs } =
            intake(batch, hub(HubRole::Primary), hub(HubRole::Secondary));
        let lease = HeldLease::take(&shared.leases).await?;
        self.keep(&dead).await?;
        self.unknown_hubs.heard(&unknown_hubs).await;
        let mut tally = Tally::default();
        (tally.dead, tally.ignored) = (dead.len(), ignored);
        let devices = group(hints);
        let work_ends = work_ends(deadline);
        let ended = match self.pending.terms(lease.lease()) {
            Some(terms) if terms.compared => {
                return Err("a rejoining ends: what changed last is compared before events go on".to_owned());
            }
            None => {
                let source = lease.lease().active;
                let pass = Pass::new(shared, lease, source, work_ends, Lane::Live);
                self.in_sync(&pass, devices).await?
            }
            Some(terms) => {
                let pass = Pass::new(shared, lease, terms.former, work_ends, Lane::Live);
                self.rejoining(&pass, &terms, batch, devices).await?
            }
        };
        ended.iter().for_each(|one| tally.count(one));
        Ok((tally, markers))
    }

    /// Of events of a hub that is not known, the name is said once, and not each of them.
    async fn keep(&self, dead: &[Dead]) -> Result<(), String> {
        for Dead { letter, is_of_an_unknown_hub } in dead {
            let is_new = self.dead_letters.keep(letter).await.map_err(StorageError::in_words)?;
            if is_new && !is_of_an_unknown_hub {
                tracing::error!(dead_letter = letter.id, reason = letter.reason, "an event leads nowhere");
            }
        }
        Ok(())
    }

    async fn in_sync(&self, pass: &Pass<'_>, devices: Vec<DeviceWork>) -> Result<Vec<Ended>, String> {
        let flow = InSync { pending: &self.pending, pass };
        let ended = all(devices.into_iter().map(|device| flow.device(device))).await;
        let mut ended: Vec<Ended> = ended.into_iter().flatten().collect();
        // A parent may have come in the same batch as its child: those that missed theirs look again.
        let missed = ended.extract_if(.., |one| one.ending == Ending::Pending(Reason::ParentMissing));
        let again = all(missed.collect::<Vec<_>>().into_iter().map(|one| flow.once_more(one))).await;
        ended.extend(again);
        held(&ended)?;
        answered(pass, &ended).await?;
        Ok(ended)
    }

    async fn rejoining(
        &self,
        pass: &Pass<'_>,
        terms: &Terms,
        batch: &EventBatch,
        devices: Vec<DeviceWork>,
    ) -> Result<Vec<Ended>, String> {
        let changed: Vec<Changed> =
            devices.iter().flat_map(|device| Rejoining::listed(device, terms)).collect();
        let flow = Rejoining { pending: &self.pending, pass, terms };
        let ended = all(devices.into_iter().map(|device| flow.device(device))).await;
        let ended: Vec<Ended> = ended.into_iter().flatten().collect();
        held(&ended)?;
        answered(pass, &ended).await?;
        for one in &ended {
            if let Ending::TargetSilent(why) = &one.ending {
                flow.without_an_answer(&one.id, why).await.map_err(StorageError::in_words)?;
            }
        }
        // Last: what is listed has been heard, and what was heard is in a note.
        let list = terms.list(pass.lease.lease().closing);
        let place = format!("{}-{}", batch.event_hub, batch.partition);
        self.pending.changed.add(list, &place, changed).await.map_err(StorageError::in_words)?;
        // What was heard means something else under another record, and was perhaps noted where nobody looks any more.
        pass.lease.for_write(pass.work_ends).await?;
        Ok(ended)
    }

    fn note_progress(&self, batch: &EventBatch, markers: Vec<Marker>) {
        let Some(last) = batch.records.last().filter(|_| !batch.event_hub.is_empty()) else { return };
        let mut progress = PartitionProgress {
            event_hub: batch.event_hub.clone(),
            partition: batch.partition.clone(),
            sequence_number: last.sequence_number,
            enqueued: last.enqueued,
            applied_at: Timestamp::now(),
            markers: Default::default(),
            created: Default::default(),
            deleted: Default::default(),
        };
        progress.passed(markers);
        self.progress.note(progress);
    }
}

async fn all<F: Future>(work: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: FuturesUnordered<F> = work.collect();
    let mut ended = Vec::new();
    while let Some(one) = running.next().await {
        ended.push(one);
    }
    ended
}

fn held(ended: &[Ended]) -> Result<(), String> {
    let why = ended.iter().find_map(|one| match &one.ending {
        Ending::Held(why) => Some(why.clone()),
        _ => None,
    });
    why.map_or(Ok(()), Err)
}

/// A target that answers nobody holds the batch; one that gave no answer for an identity leaves that one pending.
async fn answered(pass: &Pass<'_>, ended: &[Ended]) -> Result<(), String> {
    let silent = ended.iter().find_map(|one| match &one.ending {
        Ending::TargetSilent(why) => Some(why),
        _ => None,
    });
    match silent {
        Some(why) if !pass.target_answers().await => Err(format!("the target hub gives no answer: {why}")),
        _ => Ok(()),
    }
}

/// Hub calls end before the invocation does: what they leave must still be written down.
fn work_ends(deadline: Deadline) -> Deadline {
    let left = deadline.left();
    let reserve = (left / 5).min(Duration::from_secs(15));
    deadline.or(Deadline::after(left.saturating_sub(reserve)))
}
