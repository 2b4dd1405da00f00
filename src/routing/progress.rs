//! How far each partition is: the newest event applied, and the marks that have passed through it.
//!
//! Best effort, never in the way of a batch: a mark that is forgotten is made again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::marker::{MarkKind, Marker};
use super::record::HubRole;
use crate::storage::{Container, Precondition, StorageError};

const PREFIX: &str = "progress/";

/// At most one write per partition in this time.
const EVERY: Duration = Duration::from_secs(2);

/// The newest event applied of one partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionProgress {
    /// Event hub.
    pub event_hub: String,
    /// Partition.
    pub partition: String,
    /// Its sequence number.
    pub sequence_number: Option<i64>,
    /// When it was enqueued.
    pub enqueued: Option<Timestamp>,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// The newest mark of each hub whose event, and with it all that hub said before, was applied.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub markers: BTreeMap<HubRole, Timestamp>,
    /// The newest passing identity of each hub whose creation was heard.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub created: BTreeMap<HubRole, Timestamp>,
    /// The same, of deletions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deleted: BTreeMap<HubRole, Timestamp>,
}

impl PartitionProgress {
    /// Adds marks, the newest of each hub.
    pub fn passed(&mut self, markers: impl IntoIterator<Item = Marker>) {
        for Marker { hub, kind, at } in markers {
            let newest = match kind {
                MarkKind::Twin => &mut self.markers,
                MarkKind::Created => &mut self.created,
                MarkKind::Deleted => &mut self.deleted,
            };
            let newest = newest.entry(hub).or_insert(at);
            *newest = at.max(*newest);
        }
    }

    /// The newest mark of this kind and hub that passed.
    pub fn newest(&self, kind: MarkKind, hub: HubRole) -> Option<Timestamp> {
        let newest = match kind {
            MarkKind::Twin => &self.markers,
            MarkKind::Created => &self.created,
            MarkKind::Deleted => &self.deleted,
        };
        newest.get(&hub).copied()
    }

    /// All marks that it has.
    fn marks(&self) -> impl Iterator<Item = Marker> {
        let all = [
            (MarkKind::Twin, &self.markers),
            (MarkKind::Created, &self.created),
            (MarkKind::Deleted, &self.deleted),
        ];
        all.into_iter().flat_map(|(kind, of)| of.iter().map(move |(&hub, &at)| Marker { hub, kind, at }))
    }
}

#[derive(Debug, Default)]
struct Partition {
    pending: Option<PartitionProgress>,
    written: Option<Instant>,
}

/// Progress in storage.
#[derive(Debug)]
pub struct ProgressLog {
    container: Container,
    partitions: Mutex<HashMap<String, Partition>>,
}

impl ProgressLog {
    /// In this container, under `progress/`.
    pub fn new(container: Container) -> Self {
        Self { container, partitions: Mutex::default() }
    }

    /// Notes progress, to be written by the next [`Self::flush`] that is due.
    pub fn note(&self, progress: PartitionProgress) {
        let name = format!("{PREFIX}{}/{}.json", progress.event_hub, progress.partition);
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = &mut partitions.entry(name).or_default().pending;
        let mut progress = progress;
        progress.passed(pending.take().iter().flat_map(PartitionProgress::marks));
        *pending = Some(progress);
    }

    /// Writes what is noted and due, or all that is noted.
    pub async fn flush(&self, all: bool) {
        for (name, progress) in self.due(all) {
            if let Err(error) = self.write(&name, progress).await {
                tracing::debug!(blob = name, ?error, "progress was not written");
            }
        }
    }

    /// Marks that another process has seen are kept.
    async fn write(&self, name: &str, mut progress: PartitionProgress) -> Result<(), StorageError> {
        if let Some(blob) = self.container.get(name).await?
            && let Ok(before) = serde_json::from_slice::<PartitionProgress>(&blob.bytes)
        {
            progress.passed(before.marks());
        }
        let bytes = serde_json::to_vec(&progress).map_err(|e| StorageError::Rejected(e.to_string()))?;
        self.container.put(name, Bytes::from(bytes), Precondition::None).await.map(|_| ())
    }

    fn due(&self, all: bool) -> Vec<(String, PartitionProgress)> {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = |written: Option<Instant>| all || written.is_none_or(|w| now.duration_since(w) >= EVERY);
        partitions
            .iter_mut()
            .filter(|(_, partition)| is_due(partition.written))
            .filter_map(|(name, partition)| {
                let progress = partition.pending.take()?;
                partition.written = Some(now);
                Some((name.clone(), progress))
            })
            .collect()
    }
}

/// The progress of every partition that ever reported some.
pub async fn progress(container: &Container) -> Result<Vec<PartitionProgress>, StorageError> {
    let mut all = Vec::new();
    for name in container.list(PREFIX, 1_000).await? {
        if let Some(blob) = container.get(&name).await? {
            all.extend(serde_json::from_slice::<PartitionProgress>(&blob.bytes).ok());
        }
    }
    Ok(all)
}
