//! How many identities may be deleted in an hour, by all instances together.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{ETag, IdentityId};
use crate::storage::{Container, Precondition, StorageError};

const BLOB: &str = "budget/deletes.json";

/// The rolling window.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// Rounds of compare-and-swap before storage counts as not answering.
const ROUNDS: usize = 20;

/// Deletes of the last hour: what was charged, and when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Charged {
    charged: BTreeMap<String, Timestamp>,
}

impl Charged {
    /// Charges one delete, once for each identity and ETag; `false` when the hour is used up.
    fn charge(&mut self, key: &str, now: Timestamp, limit: usize) -> bool {
        self.charged.retain(|_, at| now.duration_since(*at) < WINDOW);
        if self.charged.contains_key(key) {
            return true;
        }
        if self.charged.len() >= limit {
            return false;
        }
        self.charged.insert(key.to_owned(), now);
        true
    }
}

/// The durable budget.
#[derive(Debug)]
pub(crate) struct Budget {
    container: Container,
    per_hour: usize,
    /// What was last read or written, so that a run of deletes costs one write each.
    known: tokio::sync::Mutex<Option<(Charged, ETag)>>,
}

impl Budget {
    /// At most `per_hour` deletes in any hour.
    pub(crate) fn new(container: Container, per_hour: usize) -> Self {
        Self { container, per_hour, known: tokio::sync::Mutex::new(None) }
    }

    /// Charges the delete of this identity at this ETag; `false` when the hour is used up. A
    /// redelivery of the same delete is not charged again.
    pub(crate) async fn charge(
        &self,
        id: &IdentityId,
        etag: &ETag,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let key = key_of(id, etag);
        let mut known = self.known.lock().await;
        for _ in 0..ROUNDS {
            let before = match known.take() {
                Some(known) => Some(known),
                None => self.read().await?,
            };
            let (mut charged, precondition) = match before {
                Some((charged, etag)) => (charged, Precondition::At(etag)),
                None => (Charged::default(), Precondition::Absent),
            };
            let as_read = charged.clone();
            let granted = charged.charge(&key, now, self.per_hour);
            if !granted || charged == as_read {
                return Ok(granted);
            }
            let bytes = serde_json::to_vec(&charged).map_err(|e| StorageError::Rejected(e.to_string()))?;
            match self.container.put(BLOB, Bytes::from(bytes), precondition).await {
                Ok(written) => {
                    *known = Some((charged, written.etag));
                    return Ok(true);
                }
                Err(StorageError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StorageError::Unavailable("the delete budget kept changing".to_owned()))
    }

    async fn read(&self) -> Result<Option<(Charged, ETag)>, StorageError> {
        let Some(blob) = self.container.get(BLOB).await? else { return Ok(None) };
        let charged = serde_json::from_slice(&blob.bytes)
            .map_err(|error| StorageError::Rejected(format!("{BLOB}: {error}")))?;
        Ok(Some((charged, blob.etag)))
    }
}

fn key_of(id: &IdentityId, etag: &ETag) -> String {
    let digest = Sha256::digest(format!("{id}\n{}", etag.as_str()));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_window_rolls_and_the_same_delete_is_charged_once() {
        let mut charged = Charged::default();
        let minute = |n: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(n);
        assert!(charged.charge("a", minute(0), 2));
        assert!(charged.charge("b", minute(30), 2));
        assert!(charged.charge("a", minute(31), 2), "the same delete again");
        assert!(!charged.charge("c", minute(59), 2));
        assert!(charged.charge("c", minute(60), 2), "the first one has left the window");
        assert!(!charged.charge("d", minute(61), 2));
        assert!(!charged.charge("x", minute(0), 0));
    }
}
