//! A duty while it is held: renewed, asked, and given back.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::blob::{DutyBlob, Outcome};
use super::document::{Document, number};
use super::term::Term;
use crate::iothub::BootTime;
use crate::iothub::Deadline;
use crate::storage::StorageError;

/// For the duty to be given back at the end of the process.
const GIVING_BACK: Duration = Duration::from_secs(2);

/// The right to do a duty, for the work itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DutyLease(Arc<Held>);

#[derive(Debug)]
struct Held {
    blob: DutyBlob,
    term: Mutex<Term>,
    writing: tokio::sync::Mutex<()>,
}

/// Why a cursor was not saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSaved {
    /// The duty is somebody else's now, or nobody's.
    NotHeld,
    /// Storage; it may still arrive.
    Storage(StorageError),
}

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHeld => write!(f, "the duty is not held any more"),
            Self::Storage(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for NotSaved {}

impl DutyLease {
    pub(super) fn new(blob: DutyBlob, term: Term) -> Self {
        Self(Arc::new(Held { blob, term: Mutex::new(term), writing: tokio::sync::Mutex::default() }))
    }

    /// Whether this process may go on, now.
    pub fn still_held(&self) -> bool {
        !self.left().is_zero()
    }

    /// When it ends unless it is renewed; it is, for as long as storage answers.
    pub fn ends(&self) -> Deadline {
        let before = Instant::now();
        Deadline::at(before + self.left())
    }

    /// How far the work is, as it was last saved, by whichever process; null before the first time.
    pub fn cursor(&self) -> Value {
        self.term().document.cursor.clone()
    }

    /// Keeps how far the work is, for the next round or the next holder.
    pub async fn save_cursor(&self, cursor: Value) -> Result<(), NotSaved> {
        self.write(|document, nonce| document.renewed(Some(cursor), nonce)).await
    }

    /// Renews it until that is no longer possible, and ends with it: a write that hangs is not waited
    /// for.
    pub(super) async fn keep(&self) {
        let part = self.0.blob.lease / 3;
        while self.still_held() {
            tokio::time::sleep(part.min(self.left())).await;
            let renewal = self.write(|document, nonce| document.renewed(None, nonce));
            match tokio::time::timeout(self.left(), renewal).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => tracing::debug!(duty = self.0.blob.name, %why, "not renewed"),
                Err(_) => tracing::debug!(duty = self.0.blob.name, "not renewed in time"),
            }
        }
    }

    /// So that nobody has to wait for it to run out.
    pub(super) async fn give_back(&self) {
        let giving = async {
            // The first may meet a renewal that was under way.
            if self.write(Document::given_back).await.is_err() {
                let _ = self.write(Document::given_back).await;
            }
        };
        let _ = tokio::time::timeout(GIVING_BACK, giving).await;
        self.term().end();
    }

    async fn write(&self, next: impl FnOnce(&Document, String) -> Document) -> Result<(), NotSaved> {
        let _one_at_a_time = self.0.writing.lock().await;
        let before = self.term().clone();
        let left = before.left(BootTime::now());
        if left.is_zero() {
            return Err(NotSaved::NotHeld);
        }
        // A part of the lease, so that another try may follow.
        let limit = left.min(self.0.blob.lease / 3);
        let next = next(&before.document, number());
        match self.0.blob.write(next, Some(&before.etag), limit).await {
            Outcome::Written(after) => *self.term() = after,
            Outcome::Unknown(error) => return Err(NotSaved::Storage(error)),
            // An earlier write of this term has arrived late: go on from there.
            Outcome::Other(document, etag, error) if document.term == before.document.term => {
                let mut term = self.term();
                (term.document, term.etag) = (document, etag);
                return Err(NotSaved::Storage(error));
            }
            Outcome::Other(..) => {
                self.term().end();
                return Err(NotSaved::NotHeld);
            }
        }
        Ok(())
    }

    fn left(&self) -> Duration {
        self.term().left(BootTime::now())
    }

    fn term(&self) -> MutexGuard<'_, Term> {
        self.0.term.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
