//! Events that name no identity or can never be understood, kept with the reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::host::{EventBatch, EventRecord};
use crate::model::{Object, redacted, redacted_body, redacted_members};
use crate::storage::{Container, Precondition, StorageError};

const PREFIX: &str = "dead-letters/";

/// Removed between two listings.
const AT_ONCE: usize = 1_000;

/// An event that led nowhere, without the keys that stood in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its own id: `event hub/partition/sequence number`.
    pub id: String,
    /// Why.
    pub reason: String,
    /// Since when it is kept.
    pub since: Timestamp,
    /// Event hub.
    pub event_hub: String,
    /// Partition.
    pub partition: String,
    /// Sequence number, where the host gave one.
    pub sequence_number: Option<i64>,
    /// The body, when it is text, or had a key in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body in base64, when it is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Application properties.
    pub properties: Object,
    /// System properties.
    pub system_properties: Object,
}

impl DeadLetter {
    /// Of one event; the id follows from where the event stood, so that keeping it twice is the same.
    pub(crate) fn new(batch: &EventBatch, record: &EventRecord, reason: String, since: Timestamp) -> Self {
        let (body, body_base64) = kept(&record.body);
        let (event_hub, partition) = (redacted(&batch.event_hub), redacted(&batch.partition));
        Self {
            id: format!("{}/{}/{}", or_unknown(&event_hub), or_unknown(&partition), place(record)),
            reason: redacted(&reason).into_owned(),
            since,
            event_hub: event_hub.into_owned(),
            partition: partition.into_owned(),
            sequence_number: record.sequence_number,
            body,
            body_base64,
            properties: redacted_members(&record.properties),
            system_properties: redacted_members(&record.system),
        }
    }
}

/// A body as text, or else in base64.
fn kept(body: &[u8]) -> (Option<String>, Option<String>) {
    match (redacted_body(body), std::str::from_utf8(body)) {
        (Some(cleared), _) => (Some(cleared), None),
        (None, Ok(text)) => (Some(text.to_owned()), None),
        (None, Err(_)) => (None, Some(STANDARD.encode(body))),
    }
}

impl DeadLetter {
    fn is_of_the_same_event(&self, other: &Self) -> bool {
        (&self.body, &self.body_base64, &self.properties)
            == (&other.body, &other.body_base64, &other.properties)
    }

    fn digest(&self) -> String {
        let text = self.body.as_ref().or(self.body_base64.as_ref()).map_or("", String::as_str);
        let properties = Value::Object(self.properties.clone()).to_string();
        hex(&Sha256::digest(format!("{text}\n{properties}")))
    }
}

/// Sixteen bytes of a digest.
fn hex(digest: &[u8]) -> String {
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn or_unknown(name: &str) -> &str {
    if name.is_empty() { "unknown" } else { name }
}

/// Sequence number, or the body's own hash where there is none (the admin trigger).
fn place(record: &EventRecord) -> String {
    match record.sequence_number {
        Some(sequence) => format!("{sequence:020}"),
        None => hex(&Sha256::digest(&record.body)),
    }
}

/// Dead letters in storage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetterStore {
    container: Container,
}

impl DeadLetterStore {
    /// In this container, under `dead-letters/`.
    pub fn new(container: Container) -> Self {
        Self { container }
    }

    /// Keeps one; keeping it again changes nothing. Whether it is new.
    pub(crate) async fn keep(&self, letter: &DeadLetter) -> Result<bool, StorageError> {
        let bytes = serde_json::to_vec(letter).map_err(|e| StorageError::Rejected(e.to_string()))?;
        match self.container.put(&blob_name(&letter.id), Bytes::from(bytes), Precondition::Absent).await {
            Ok(_) => Ok(true),
            Err(StorageError::Conflict) => self.keep_beside(letter).await,
            Err(error) => Err(error),
        }
    }

    /// There is one of this id. Numbers begin again where an event hub was made again: another event
    /// at the same place is another letter.
    async fn keep_beside(&self, letter: &DeadLetter) -> Result<bool, StorageError> {
        let there = match self.get(&letter.id).await {
            Err(StorageError::Rejected(_)) => None,
            read => read?,
        };
        if there.is_some_and(|there| there.is_of_the_same_event(letter)) {
            return Ok(false);
        }
        let mut other = letter.clone();
        other.id = format!("{}-{}", letter.id, letter.digest());
        let bytes = serde_json::to_vec(&other).map_err(|e| StorageError::Rejected(e.to_string()))?;
        match self.container.put(&blob_name(&other.id), Bytes::from(bytes), Precondition::Absent).await {
            Ok(_) => Ok(true),
            Err(StorageError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Dead letters in order of their ids, at most `limit`.
    pub async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, StorageError> {
        let mut letters = Vec::new();
        for name in self.container.list(PREFIX, limit).await? {
            letters.extend(self.read(&name).await?);
        }
        Ok(letters)
    }

    /// One by its id.
    pub async fn get(&self, id: &str) -> Result<Option<DeadLetter>, StorageError> {
        self.read(&blob_name(id)).await
    }

    /// Removes one, also one that cannot be read. Whether it was there.
    ///
    /// # Errors
    /// Storage.
    pub async fn remove(&self, id: &str) -> Result<bool, StorageError> {
        let name = blob_name(id);
        if self.container.get(&name).await?.is_none() {
            return Ok(false);
        }
        self.container.delete(&name, None).await.map(|()| true)
    }

    /// Removes all; how many there were.
    ///
    /// # Errors
    /// Storage; those that were removed by then are gone.
    pub async fn remove_all(&self) -> Result<usize, StorageError> {
        let mut removed = 0;
        loop {
            let names = self.container.list(PREFIX, AT_ONCE).await?;
            for name in &names {
                self.container.delete(name, None).await?;
            }
            removed += names.len();
            if names.len() < AT_ONCE {
                return Ok(removed);
            }
        }
    }

    async fn read(&self, name: &str) -> Result<Option<DeadLetter>, StorageError> {
        let Some(blob) = self.container.get(name).await? else { return Ok(None) };
        serde_json::from_slice(&blob.bytes)
            .map(Some)
            .map_err(|error| StorageError::Rejected(format!("dead letter {name}: {error}")))
    }
}

fn blob_name(id: &str) -> String {
    format!("{PREFIX}{id}.json")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn letter(body: &'static [u8], sequence_number: Option<i64>) -> DeadLetter {
        let record = EventRecord {
            body: Bytes::from_static(body),
            properties: json!({"k": "HostName=h;SharedAccessKey=abc", "n": 1}).as_object().cloned().unwrap(),
            system: Object::new(),
            sequence_number,
            enqueued: None,
        };
        let batch = EventBatch {
            event_hub: "registry".to_owned(),
            partition: "2".to_owned(),
            consumer_group: String::new(),
            records: Vec::new(),
            retry_count: 0,
        };
        DeadLetter::new(&batch, &record, "because".to_owned(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn every_byte_of_the_event_survives_and_no_secret_does() {
        let text = letter(b"{\"a\":1}", Some(17));
        assert_eq!(text.id, "registry/2/00000000000000000017");
        assert_eq!((text.body.as_deref(), text.body_base64), (Some("{\"a\":1}"), None));
        let cleared = json!({"k": "HostName=h;SharedAccessKey=(removed)", "n": 1});
        assert_eq!(Value::Object(text.properties), cleared);
        let bytes = letter(&[0xff, 0x00], None);
        assert_eq!((bytes.body, bytes.body_base64.as_deref()), (None, Some("/wA=")));
        assert_eq!(bytes.id, letter(&[0xff, 0x00], None).id);
    }
}
