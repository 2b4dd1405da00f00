//! The one durable note of a rejoining hub: everything since the cut owes a comparison.

use std::sync::PoisonError;

use bytes::Bytes;

use super::pass::{Pass, now};
use crate::storage::{Precondition, StorageError};

impl Pass<'_> {
    /// Writes the note, create-only, once per epoch and process.
    pub(crate) async fn note_comparison_owed(&self) -> Result<(), String> {
        let authority = self.warrant.authority();
        let is_written =
            *self.engine.noted_epoch.lock().unwrap_or_else(PoisonError::into_inner) == authority.epoch;
        if is_written {
            return Ok(());
        }
        let note = serde_json::json!({
            "epoch": authority.epoch,
            "cut": authority.cut.map(|cut| cut.to_string()),
            "rejoining": self.target().settings().name,
            "since": now().to_string(),
            "owed": "everything since the cut owes a comparison",
        });
        let name = format!("notes/comparison-owed-since-cut-{}.json", authority.epoch);
        match self.engine.store.put(&name, Bytes::from(note.to_string()), Precondition::Absent).await {
            Ok(_) | Err(StorageError::Conflict) => {
                *self.engine.noted_epoch.lock().unwrap_or_else(PoisonError::into_inner) = authority.epoch;
                Ok(())
            }
            Err(error) => Err(format!("storage: {error:?}")),
        }
    }
}
