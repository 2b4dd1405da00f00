//! Where owed notes are kept, and how several processes write to one.

use bytes::Bytes;
use jiff::Timestamp;

use super::debt::{Debt, Reason};
use super::owed::{Era, OwedNote, Position, identity_of, note_id};
use crate::model::{ETag, IdentityId};
use crate::routing::HubRole;
use crate::storage::{Container, Precondition, StorageError};

const PREFIX: &str = "owed/";

/// Rounds of compare-and-swap on one note before storage counts as not answering.
const ROUNDS: usize = 12;

/// Owed notes in storage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OwedStore {
    container: Container,
}

impl OwedStore {
    /// In this container, under `owed/`.
    pub fn new(container: Container) -> Self {
        Self { container }
    }

    /// Ids of owed notes in order, at most `limit`, beginning after the id `after`.
    pub async fn ids(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StorageError> {
        let after = after.map(blob_name);
        let names = self.container.list(PREFIX, after.as_deref(), limit).await?;
        Ok(names
            .iter()
            .filter_map(|name| Some(name.strip_prefix(PREFIX)?.strip_suffix(".json")?.to_owned()))
            .collect())
    }

    /// Owed notes in order of their ids, at most `limit`.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<OwedNote>, StorageError> {
        let mut notes = Vec::new();
        for id in self.ids(after, limit).await? {
            notes.extend(self.get(&id).await?.map(|(note, _)| note));
        }
        Ok(notes)
    }

    /// One note by its id (the identity, percent-encoded), with its ETag.
    pub async fn get(&self, id: &str) -> Result<Option<(OwedNote, ETag)>, StorageError> {
        let Some(blob) = self.container.get(&blob_name(id)).await? else { return Ok(None) };
        Ok(serde_json::from_slice(&blob.bytes)
            .or_else(|error| unreadable(id, &error).ok_or(error))
            .ok()
            .map(|note| (note, blob.etag)))
    }

    /// One identity's note, with its ETag.
    pub async fn of(&self, identity: &IdentityId) -> Result<Option<(OwedNote, ETag)>, StorageError> {
        self.get(&note_id(identity)).await
    }

    /// Takes a note away; `Conflict` when it has changed since it was read.
    pub async fn resolve(&self, note: &OwedNote, at: &ETag) -> Result<(), StorageError> {
        self.container.delete(&blob_name(&note.id), Some(at)).await
    }

    /// Writes a note by compare-and-swap: `change` gets the one that is there and gives the one that
    /// shall be. Gives what is stored then, and whether the reason is new.
    pub(crate) async fn write(
        &self,
        identity: &IdentityId,
        change: impl Fn(Option<OwedNote>) -> OwedNote,
    ) -> Result<(OwedNote, bool), StorageError> {
        let name = blob_name(&note_id(identity));
        for _ in 0..ROUNDS {
            let (before, precondition) = match self.of(identity).await? {
                Some((note, etag)) => (Some(note), Precondition::At(etag)),
                None => (None, Precondition::Absent),
            };
            let reason_before = before.as_ref().map(|note| note.reason);
            let note = change(before.clone());
            if before.as_ref() == Some(&note) {
                return Ok((note, false));
            }
            let bytes = serde_json::to_vec(&note).map_err(|e| StorageError::Rejected(e.to_string()))?;
            match self.container.put(&name, Bytes::from(bytes), precondition).await {
                Ok(_) => {
                    let news = reason_before != Some(note.reason);
                    return Ok((note, news));
                }
                Err(StorageError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StorageError::Unavailable(format!("the owed note of {identity} kept changing")))
    }
}

/// Stands for a note that cannot be understood: its name still says who is owed. Nobody's batch may
/// hang on it.
fn unreadable(id: &str, error: &serde_json::Error) -> Option<OwedNote> {
    let identity = identity_of(id)?;
    let debt = Debt::new(Reason::Malformed, format!("the note itself cannot be read: {error}"));
    let nowhere = Era { epoch: 0, active: HubRole::Primary };
    let note = OwedNote::new(&identity, &debt, &Position::default(), nowhere, Timestamp::now());
    Some(OwedNote { active: None, ..note })
}

fn blob_name(id: &str) -> String {
    format!("{PREFIX}{id}.json")
}
