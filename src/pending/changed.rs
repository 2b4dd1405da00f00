//! Which identities changed since the roles did: what ends a rejoining compares these, and no others.
//!
//! One blob for each batch that names an identity which its process has not listed yet. Two lists follow each other: what
//! is heard until the comparison begins, and what is heard from then on, which is compared after it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::model::IdentityId;
use crate::storage::{Container, Precondition, StorageError};

const PREFIX: &str = "changed/";

/// Stands for all identities, where there are more than are listed.
const EVERYTHING: &str = "everything";

/// Identities that one process lists and remembers; beyond it, everything owes a comparison.
const MOST: usize = 200_000;

/// One identity that changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Which.
    #[serde(flatten)]
    pub identity: IdentityId,
    /// Its deletion was announced by the active hub.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Which of the two lists of a divergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listed {
    /// The epoch in which the hubs diverged.
    pub epoch: u64,
    /// Whether the comparison that ends the rejoining has begun.
    pub closing: bool,
    /// The record's epoch: what was listed under an earlier one may have been compared, and taken away, since.
    pub under: u64,
}

impl Listed {
    /// Whether a part is of this list.
    pub fn has(self, part: &str) -> bool {
        part.starts_with(&self.folder())
    }

    /// Of its own for each record: what was listed while a comparison closed that a promotion has cut off is compared
    /// with the first half of the next one.
    fn folder(self) -> String {
        format!("{PREFIX}{:010}-{:010}-{}/", self.epoch, self.under, u8::from(self.closing))
    }
}

/// The lists in storage, and what this process has listed already.
#[derive(Debug)]
pub struct ChangedList {
    container: Container,
    known: Mutex<Known>,
}

/// Prints of what is listed already: 128 bits each, which two identities never share in practice.
#[derive(Debug, Default)]
struct Known {
    list: Option<Listed>,
    prints: HashSet<(u64, u64)>,
    hashers: (RandomState, RandomState),
}

impl Known {
    fn print(&self, changed: &Changed) -> (u64, u64) {
        (self.hashers.0.hash_one(changed), self.hashers.1.hash_one(changed))
    }

    fn is_known(&self, changed: &Changed) -> bool {
        self.prints.contains(&self.print(changed))
    }

    fn learn(&mut self, list: Listed, all: &[Changed]) {
        if self.list == Some(list) {
            for changed in all {
                self.prints.insert(self.print(changed));
            }
        }
    }

    fn begin(&mut self, list: Listed) {
        if self.list != Some(list) {
            (self.list, self.prints) = (Some(list), HashSet::new());
        }
    }
}

impl ChangedList {
    /// In this container, under `changed/`.
    pub fn new(container: Container) -> Self {
        Self { container, known: Mutex::default() }
    }

    /// Lists identities, durably. What this process has listed in the same list is not written again.
    pub async fn add(&self, list: Listed, place: &str, all: Vec<Changed>) -> Result<(), StorageError> {
        let (new, is_full) = self.new_in(list, all);
        if is_full {
            let name = format!("{}{EVERYTHING}", list.folder());
            return self
                .container
                .put(&name, Bytes::from_static(b"{}"), Precondition::None)
                .await
                .map(|_| ());
        }
        if new.is_empty() {
            return Ok(());
        }
        self.put_part(&format!("{}{place}", list.folder()), &new).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).learn(list, &new);
        Ok(())
    }

    fn new_in(&self, list: Listed, all: Vec<Changed>) -> (Vec<Changed>, bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.begin(list);
        let mut new: Vec<Changed> = all.into_iter().filter(|changed| !known.is_known(changed)).collect();
        new.sort_by(|one, other| (&one.identity, one.deleted).cmp(&(&other.identity, other.deleted)));
        new.dedup();
        (new, known.prints.len() >= MOST)
    }

    /// Names of the parts of a list, in order.
    pub async fn parts(&self, list: Listed) -> Result<Vec<String>, StorageError> {
        self.container.list(&list.folder(), usize::MAX).await
    }

    /// Every list that there is, of any divergence, as names of parts.
    pub async fn all_parts(&self) -> Result<Vec<String>, StorageError> {
        self.container.list(PREFIX, usize::MAX).await
    }

    /// What a part lists; `None` when it stands for everything. One that cannot be read stands for everything, too.
    pub async fn part(&self, name: &str) -> Result<Option<Vec<Changed>>, StorageError> {
        if name.ends_with(EVERYTHING) {
            return Ok(None);
        }
        let Some(blob) = self.container.get(name).await? else { return Ok(Some(Vec::new())) };
        Ok(serde_json::from_slice(&blob.bytes).ok())
    }

    /// What is left of parts, once the others were compared, takes their place.
    pub async fn replace(&self, parts: &[String], left: &[Changed]) -> Result<(), StorageError> {
        if let Some((folder, _)) = parts.first().and_then(|part| part.rsplit_once('/'))
            && !left.is_empty()
        {
            self.put_part(&format!("{folder}/left"), left).await?;
        }
        for part in parts {
            self.container.delete(part, None).await?;
        }
        Ok(())
    }

    /// Another process may have written other identities at this place: they must not go.
    async fn put_part(&self, place: &str, all: &[Changed]) -> Result<(), StorageError> {
        let bytes = serde_json::to_vec(all).map_err(|error| StorageError::Rejected(error.to_string()))?;
        let name = format!("{place}-{}.json", uuid::Uuid::new_v4().simple());
        self.container.put(&name, Bytes::from(bytes), Precondition::None).await.map(drop)
    }
}
