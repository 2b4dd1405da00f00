//! What two hubs disagreed on, both values, and which one was kept.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::IdentityId;
use crate::reconcile::Loss;
use crate::storage::{Container, Precondition, StorageError};

const PREFIX: &str = "losses/";

/// Rounds of compare-and-swap on one report before storage counts as not answering.
const ROUNDS: usize = 8;

/// The losses of one identity in one epoch. It only grows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LossReport {
    /// Which identity.
    pub identity: IdentityId,
    /// The record's epoch.
    pub epoch: u64,
    /// When it was last added to.
    pub at: Timestamp,
    /// Each value that was not kept once.
    pub losses: Vec<Loss>,
}

/// Loss reports in storage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LossStore {
    container: Container,
}

impl LossStore {
    /// In this container, under `losses/`.
    pub fn new(container: Container) -> Self {
        Self { container }
    }

    /// Adds losses to the report of an identity, durable before either value is overwritten.
    pub(crate) async fn add(&self, id: &IdentityId, epoch: u64, losses: &[Loss]) -> Result<(), StorageError> {
        if losses.is_empty() {
            return Ok(());
        }
        let name = format!("{PREFIX}{epoch:010}/{}.json", id.path_segment());
        for _ in 0..ROUNDS {
            let (mut report, precondition) = match self.container.get(&name).await? {
                Some(blob) => (serde_json::from_slice(&blob.bytes).ok(), Precondition::At(blob.etag)),
                None => (None, Precondition::Absent),
            };
            let report = report.get_or_insert_with(|| LossReport {
                identity: id.clone(),
                epoch,
                at: Timestamp::now(),
                losses: Vec::new(),
            });
            let is_named = |loss: &&Loss| report.losses.iter().any(|named| named.names_the_same_as(loss));
            let new: Vec<Loss> = losses.iter().filter(|loss| !is_named(loss)).cloned().collect();
            if new.is_empty() {
                return Ok(());
            }
            tracing::warn!(identity = %id, fields = new.len(), report = name, "two hubs changed the same fields");
            report.losses.extend(new);
            report.at = Timestamp::now();
            let bytes = serde_json::to_vec(report).map_err(|e| StorageError::Rejected(e.to_string()))?;
            match self.container.put(&name, Bytes::from(bytes), precondition).await {
                Ok(_) => return Ok(()),
                Err(StorageError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StorageError::Unavailable(format!("the loss report of {id} kept changing")))
    }

    /// All reports of one identity, in order of epochs.
    ///
    /// # Errors
    /// Storage.
    pub async fn of(&self, id: &IdentityId) -> Result<Vec<LossReport>, StorageError> {
        let end = format!("/{}.json", id.path_segment());
        let names = self.container.list(PREFIX, usize::MAX).await?;
        let mut reports = Vec::new();
        for name in names.iter().filter(|name| name.ends_with(&end)) {
            if let Some(blob) = self.container.get(name).await? {
                reports.extend(serde_json::from_slice::<LossReport>(&blob.bytes).ok());
            }
        }
        Ok(reports)
    }

    /// Reports in order of epochs and identities, at most `limit`.
    pub async fn list(&self, limit: usize) -> Result<Vec<LossReport>, StorageError> {
        let mut reports = Vec::new();
        for name in self.container.list(PREFIX, limit).await? {
            if let Some(blob) = self.container.get(&name).await? {
                reports.extend(serde_json::from_slice::<LossReport>(&blob.bytes).ok());
            }
        }
        Ok(reports)
    }
}
