//! Checkpoints: the sequence number to start from, one file per function and partition.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where checkpoints are kept. Without a folder they live only as long as the positions in memory.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    folder: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Checkpoint {
    next_sequence_number: i64,
}

impl Checkpoints {
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn in_folder(folder: Option<PathBuf>) -> std::io::Result<Self> {
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self { folder })
    }

    /// The next sequence number; `None` when there is no checkpoint, so that reading begins at the earliest event.
    pub(crate) fn read(&self, function: &str, partition: &str) -> std::io::Result<Option<i64>> {
        let Some(file) = self.file(function, partition) else { return Ok(None) };
        match std::fs::read(file) {
            Ok(bytes) => Ok(Some(serde_json::from_slice::<Checkpoint>(&bytes)?.next_sequence_number)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file in one step: a reader, or a restart, sees the old one or the new one.
    pub(crate) fn write(&self, function: &str, partition: &str, next: i64) -> std::io::Result<()> {
        let Some(file) = self.file(function, partition) else { return Ok(()) };
        let new = file.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(&Checkpoint { next_sequence_number: next })?)?;
        std::fs::rename(new, file)
    }

    fn file(&self, function: &str, partition: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("{function}.{partition}.json")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_found_again_and_another_partition_has_none() {
        let folder = std::env::temp_dir().join(format!("checkpoints-{}", uuid::Uuid::new_v4()));
        let checkpoints = Checkpoints::in_folder(Some(folder.clone())).unwrap();
        checkpoints.write("twin-sync", "0", 17).unwrap();
        checkpoints.write("twin-sync", "0", 18).unwrap();
        let again = Checkpoints::in_folder(Some(folder.clone())).unwrap();
        assert_eq!(again.read("twin-sync", "0").unwrap(), Some(18));
        assert_eq!(again.read("twin-sync", "1").unwrap(), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
