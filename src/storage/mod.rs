//! Blobs: the routing record, pending notes, dead letters, snapshots.

mod blobs;
mod connection_string;
mod sas;

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::ETag;

pub use blobs::{Account, Container};
pub use connection_string::InvalidConnectionString;

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

impl StorageError {
    /// For the log, and for whoever can only wait.
    pub fn in_words(self) -> String {
        format!("storage: {self:?}")
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => write!(f, "storage has another version of it"),
            Self::NoContainer => write!(f, "the storage container is not there"),
            Self::Unavailable(why) => write!(f, "storage gives no answer: {why}"),
            Self::Denied(why) => write!(f, "storage does not allow it: {why}"),
            Self::Rejected(why) => write!(f, "storage refuses it: {why}"),
        }
    }
}

impl std::error::Error for StorageError {}

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

/// A blob in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its metadata.
    pub metadata: HashMap<String, String>,
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// In order of their names.
    pub blobs: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}
