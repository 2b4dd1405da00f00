//! Blobs: the routing record, owed notes, dead letters, snapshots.

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::ETag;

/// Why storage did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// The precondition failed: it exists, or it changed.
    Conflict,
    /// The container is not there (a blob that is not there is `None`, not an error).
    NoContainer,
    /// No definite answer.
    Unavailable(String),
    /// Not allowed.
    Denied(String),
    /// Storage refuses the request, or its answer cannot be understood.
    Rejected(String),
}

/// A blob as read.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Content.
    pub bytes: Bytes,
    /// For the next conditional write.
    pub etag: ETag,
    /// Storage's own time of the last write.
    pub last_modified: Timestamp,
}

/// A blob as written.
#[derive(Debug, Clone)]
pub struct Written {
    /// For the next conditional write.
    pub etag: ETag,
    /// Storage's own time of this write.
    pub last_modified: Timestamp,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone)]
pub enum Precondition {
    /// It must not exist.
    Absent,
    /// It must be at this ETag.
    At(ETag),
    /// Nothing (content is the same whoever writes it, e.g. a dead letter named by its position).
    None,
}

/// One blob container. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Container {}

#[allow(missing_docs, unused_variables)]
impl Container {
    /// Creates the container; fine when it exists.
    pub async fn ensure(&self) -> Result<(), StorageError> {
        unreachable!()
    }
    pub async fn get(&self, name: &str) -> Result<Option<Blob>, StorageError> {
        unreachable!()
    }
    pub async fn put(
        &self,
        name: &str,
        bytes: Bytes,
        precondition: Precondition,
    ) -> Result<Written, StorageError> {
        unreachable!()
    }
    /// Deleting what is not there is fine; `Conflict` when `at` is stale.
    pub async fn delete(&self, name: &str, at: Option<&ETag>) -> Result<(), StorageError> {
        unreachable!()
    }
    /// Names under a prefix, in order, at most `limit`, beginning after `after`.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StorageError> {
        unreachable!()
    }
}
