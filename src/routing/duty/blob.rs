//! A duty's document in storage, changed by compare-and-swap only.

use std::time::Duration;

use bytes::Bytes;

use super::document::Document;
use super::term::Term;
use crate::iothub::BootTime;
use crate::model::ETag;
use crate::storage::{Container, Precondition, StorageError};

/// Where duties are.
pub(super) const PREFIX: &str = "duties/";

/// Where one duty is.
#[derive(Debug, Clone)]
pub(super) struct DutyBlob {
    pub(super) container: Container,
    pub(super) name: &'static str,
    /// How long it is held after a write.
    pub(super) lease: Duration,
}

/// What came of a write.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is there.
    Written(Term),
    /// It is not there (yet); what is there is at this ETag.
    Other(Document, ETag, StorageError),
    /// Nothing is known.
    Unknown(StorageError),
}

impl DutyBlob {
    /// The document; `None` when it is not there.
    pub(super) async fn read(&self) -> Result<Option<(Document, ETag)>, StorageError> {
        let path = self.path();
        match tokio::time::timeout(self.lease, self.container.get(&path)).await {
            Ok(found) => Ok(found?.map(|blob| (Document::read(&blob.bytes, self.lease), blob.etag))),
            Err(_) => Err(silent(self.lease)),
        }
    }

    /// Writes where it is still as it was read, and waits for that at most `limit`. An answer that was
    /// lost is settled by reading and recognising the nonce.
    pub(super) async fn write(&self, next: Document, at: Option<&ETag>, limit: Duration) -> Outcome {
        let precondition = at.map_or(Precondition::Absent, |etag| Precondition::At(etag.clone()));
        let path = self.path();
        let bytes = match serde_json::to_vec_pretty(&next) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => return Outcome::Unknown(StorageError::Rejected(error.to_string())),
        };
        let started = BootTime::now();
        let put = self.container.put(&path, bytes, precondition);
        let error = match tokio::time::timeout(limit, put).await {
            Ok(Ok(written)) => return Outcome::Written(Term::new(next, written.etag, started)),
            Ok(Err(error)) => error,
            Err(_) => silent(limit),
        };
        match self.read().await {
            Ok(Some((found, etag))) if found.nonce == next.nonce => {
                Outcome::Written(Term::new(next, etag, started))
            }
            Ok(Some((found, etag))) => Outcome::Other(found, etag, error),
            _ => Outcome::Unknown(error),
        }
    }

    fn path(&self) -> String {
        format!("{PREFIX}{}.json", self.name)
    }
}

fn silent(limit: Duration) -> StorageError {
    StorageError::Unavailable(format!("nothing within {} ms", limit.as_millis()))
}
