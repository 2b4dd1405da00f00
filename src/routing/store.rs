//! The routing record and its witness in storage, changed by compare-and-swap only.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::record::{HubNames, RoutingRecord, Witness};
use crate::model::ETag;
use crate::storage::{Account, Container, Precondition, StorageError, Written};

/// The record's blob.
pub const RECORD_BLOB: &str = "routing-record.json";
/// The witness's blob.
pub const WITNESS_BLOB: &str = "witness.json";

/// Rounds of compare-and-swap on the witness before it counts as not answering.
const ROUNDS: usize = 8;

/// Where record and witness are, and which hubs they should be about. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RecordStore {
    records: Container,
    witnesses: Container,
    configured: Arc<HubNames>,
}

/// A record as storage has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The record.
    pub record: RoutingRecord,
    /// For the next compare-and-swap.
    pub etag: ETag,
    /// Storage's own time of the write.
    pub written: Timestamp,
}

/// Why the record could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordError {
    /// Somebody else changed it meanwhile: the decision is dropped.
    Lost,
    /// Storage gives no answer, or not a definite one.
    Unavailable(String),
    /// Storage says no, and will say so again.
    Refused(String),
    /// It is there and cannot be understood.
    Unreadable(String),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => write!(f, "somebody else changed the routing record meanwhile"),
            Self::Unavailable(why) => write!(f, "{why}"),
            Self::Refused(why) => write!(f, "{why}"),
            Self::Unreadable(why) => write!(f, "the routing record cannot be understood: {why}"),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<StorageError> for RecordError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Conflict => Self::Lost,
            StorageError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StorageError::NoContainer | StorageError::Denied(_) | StorageError::Rejected(_) => {
                Self::Refused(error.to_string())
            }
        }
    }
}

impl RecordStore {
    /// The record in `container`, its witness in `container`-witness. `configured` are the hubs of this
    /// process's settings.
    pub fn new(account: &Account, container: &str, configured: HubNames) -> Self {
        Self {
            configured: Arc::new(configured),
            records: account.container(container),
            witnesses: account.container(&format!("{container}-witness")),
        }
    }

    /// The hubs of this process's settings.
    pub fn configured(&self) -> &HubNames {
        &self.configured
    }

    /// Which setting is about another hub than the record, and what to do, in words; none when they
    /// agree, or when the record is too old to know its hubs.
    pub fn other_hubs(&self, record: &RoutingRecord) -> Option<String> {
        record.hubs.as_ref()?.differences(&self.configured)
    }

    /// The container that holds the record.
    pub fn container(&self) -> &Container {
        &self.records
    }

    /// The record; `None` when it, or its container, is not there.
    pub async fn read(&self) -> Result<Option<Stored>, RecordError> {
        match self.records.get(RECORD_BLOB).await {
            Ok(None) | Err(StorageError::NoContainer) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(Some(blob)) => {
                let record = RoutingRecord::from_json(&blob.bytes).map_err(RecordError::Unreadable)?;
                Ok(Some(Stored { record, etag: blob.etag, written: blob.last_modified }))
            }
        }
    }

    /// Makes the containers; fine when they exist.
    pub async fn ensure_containers(&self) -> Result<(), RecordError> {
        self.witnesses.ensure().await?;
        Ok(self.records.ensure().await?)
    }

    /// Writes a record where none is; [`RecordError::Lost`] when there is one.
    pub async fn create(&self, record: RoutingRecord) -> Result<Stored, RecordError> {
        self.write(record, Precondition::Absent).await
    }

    /// Replaces the record that was read with `etag`; [`RecordError::Lost`] when it has changed.
    /// An answer that was lost is settled by reading and recognising the nonce.
    pub async fn replace(&self, record: RoutingRecord, etag: &ETag) -> Result<Stored, RecordError> {
        self.write(record, Precondition::At(etag.clone())).await
    }

    async fn write(&self, record: RoutingRecord, precondition: Precondition) -> Result<Stored, RecordError> {
        let bytes = record.to_json().map_err(RecordError::Unreadable)?;
        match self.records.put(RECORD_BLOB, Bytes::from(bytes), precondition).await {
            Ok(Written { etag, last_modified }) => Ok(Stored { record, etag, written: last_modified }),
            Err(error @ (StorageError::Conflict | StorageError::Unavailable(_))) => match self.read().await {
                Ok(Some(found)) if found.record.nonce == record.nonce => Ok(found),
                _ => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// The witness; `None` when it, or its container, is not there.
    pub async fn witness(&self) -> Result<Option<Witness>, RecordError> {
        Ok(self.read_witness().await?.map(|(witness, _)| witness))
    }

    /// Changes the witness by compare-and-swap, beginning with `first` where none is. Gives what is
    /// there then.
    pub async fn witness_that(
        &self,
        first: Witness,
        change: impl Fn(&mut Witness),
    ) -> Result<Witness, RecordError> {
        for _ in 0..ROUNDS {
            let (mut witness, before, precondition) = match self.read_witness().await? {
                Some((witness, etag)) => (witness.clone(), Some(witness), Precondition::At(etag)),
                None => (first.clone(), None, Precondition::Absent),
            };
            change(&mut witness);
            if before.as_ref() == Some(&witness) {
                return Ok(witness);
            }
            let bytes =
                serde_json::to_vec_pretty(&witness).map_err(|e| RecordError::Unreadable(e.to_string()))?;
            match self.witnesses.put(WITNESS_BLOB, Bytes::from(bytes), precondition).await {
                Ok(_) => return Ok(witness),
                Err(StorageError::Conflict) => {}
                Err(StorageError::NoContainer) => self.witnesses.ensure().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(RecordError::Unavailable("the witness kept changing".to_owned()))
    }

    async fn read_witness(&self) -> Result<Option<(Witness, ETag)>, RecordError> {
        match self.witnesses.get(WITNESS_BLOB).await {
            Ok(None) | Err(StorageError::NoContainer) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(Some(blob)) => {
                let witness = serde_json::from_slice(&blob.bytes)
                    .map_err(|error| RecordError::Unreadable(format!("witness: {error}")))?;
                Ok(Some((witness, blob.etag)))
            }
        }
    }
}
