//! How far each partition is, for `iot-hadr status`: best effort, never in the way of a batch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
}

#[derive(Debug, Default)]
struct Partition {
    pending: Option<PartitionProgress>,
    written: Option<Instant>,
}

/// Progress in storage.
#[derive(Debug)]
pub(crate) struct ProgressLog {
    container: Container,
    partitions: Mutex<HashMap<String, Partition>>,
}

impl ProgressLog {
    /// In this container, under `progress/`.
    pub(crate) fn new(container: Container) -> Self {
        Self { container, partitions: Mutex::default() }
    }

    /// Notes progress, to be written by the next [`Self::flush`] that is due.
    pub(crate) fn note(&self, progress: PartitionProgress) {
        let name = format!("{PREFIX}{}/{}.json", progress.event_hub, progress.partition);
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.entry(name).or_default().pending = Some(progress);
    }

    /// Writes what is noted and due, or all that is noted.
    pub(crate) async fn flush(&self, all: bool) {
        for (name, progress) in self.due(all) {
            let Ok(bytes) = serde_json::to_vec(&progress) else { continue };
            if let Err(error) = self.container.put(&name, Bytes::from(bytes), Precondition::None).await {
                tracing::debug!(blob = name, ?error, "progress was not written");
            }
        }
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
    for name in container.list(PREFIX, None, 1_000).await? {
        if let Some(blob) = container.get(&name).await? {
            all.extend(serde_json::from_slice::<PartitionProgress>(&blob.bytes).ok());
        }
    }
    Ok(all)
}
