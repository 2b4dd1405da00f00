//! Where the notes are kept, and how several processes write to one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use super::note::PendingNote;
use crate::model::{ETag, IdentityId};
use crate::reconcile::Reason;
use crate::routing::HubRole;
use crate::storage::{Blob, Container, Listed, Precondition, StorageError};

/// Where notes are.
pub(super) const PREFIX: &str = "pending/";

/// Notes that could not be read, as they were.
const UNREADABLE: &str = "unreadable/";

/// Rounds of compare-and-swap on one note before storage counts as not answering.
const ROUNDS: usize = 12;

/// Notes that one process remembers to have written; beyond it every identity may have one.
const REMEMBERED: usize = 100_000;

/// The notes in storage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PendingStore {
    container: Container,
    /// Of which identities this process has written a note that may still be there.
    written: Arc<Mutex<HashSet<String>>>,
}

/// What a listing shows of a note, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The note's id.
    pub id: String,
    /// Why; `None` when the note does not say, or in a word that this program does not know.
    pub reason: Option<Reason>,
    /// When it may be tried again.
    pub next_try: Timestamp,
    /// The hub without which nothing can be done.
    pub waits_for: Option<HubRole>,
    /// The epoch under which it was last written.
    pub epoch: u64,
}

impl Entry {
    /// Whether something is wrong, and not only kept in mind for a while.
    pub fn is_trouble(&self) -> bool {
        self.reason.is_none_or(Reason::is_trouble)
    }

    /// Whether it is still to be looked at before a rejoining ends.
    pub fn is_open(&self) -> bool {
        self.reason != Some(Reason::Rejoining)
    }
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct EntryPage {
    /// In order of their ids.
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl PendingStore {
    /// In this container, under `pending/`.
    pub fn new(container: Container) -> Self {
        Self { container, written: Arc::default() }
    }

    /// The note of an identity that this process has written one of; costs nothing where it has not.
    pub(crate) async fn of_own(
        &self,
        identity: &IdentityId,
    ) -> Result<Option<(PendingNote, ETag)>, StorageError> {
        let id = identity.path_segment();
        let may_be = {
            let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.len() >= REMEMBERED || written.contains(&id)
        };
        let found = if may_be { self.get(&id).await? } else { None };
        if may_be && found.is_none() {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            // Once there were too many, it is not known which are remembered.
            if written.len() < REMEMBERED {
                written.remove(&id);
            }
        }
        Ok(found)
    }

    /// One page of what is pending, beginning where the page before said.
    pub async fn page(&self, from: Option<&str>) -> Result<EntryPage, StorageError> {
        let page = self.container.page(PREFIX, from).await?;
        Ok(EntryPage { entries: page.blobs.into_iter().filter_map(entry).collect(), next: page.next })
    }

    /// Notes of identities that are not right, in order of their ids, at most `limit`.
    pub async fn list(&self, limit: usize) -> Result<Vec<PendingNote>, StorageError> {
        let (mut notes, mut next) = (Vec::new(), None);
        loop {
            let page = self.page(next.as_deref()).await?;
            for entry in page.entries.iter().filter(|entry| entry.is_trouble()) {
                if notes.len() >= limit {
                    return Ok(notes);
                }
                notes.extend(self.get(&entry.id).await?.map(|(note, _)| note));
            }
            next = page.next;
            if next.is_none() {
                return Ok(notes);
            }
        }
    }

    /// Of how many identities the note `counts`, up to about `limit`.
    pub async fn count(&self, limit: usize, counts: fn(&Entry) -> bool) -> Result<usize, StorageError> {
        let (mut count, mut next) = (0, None);
        loop {
            let page = self.page(next.as_deref()).await?;
            count += page.entries.iter().filter(|entry| counts(entry)).count();
            next = page.next;
            if next.is_none() || count >= limit {
                return Ok(count);
            }
        }
    }

    /// Identities of which a hub refuses something.
    pub async fn rejected(&self) -> Result<Vec<IdentityId>, StorageError> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let page = self.page(next.as_deref()).await?;
            let rejected = page.entries.iter().filter(|entry| entry.reason == Some(Reason::Rejected));
            found.extend(rejected.filter_map(|entry| IdentityId::from_path_segment(&entry.id)));
            next = page.next;
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// One by its id, with its ETag. One that cannot be read stands for itself: whose it is, its name says.
    pub async fn get(&self, id: &str) -> Result<Option<(PendingNote, ETag)>, StorageError> {
        let Some(blob) = self.container.get(&blob_name(id)).await? else { return Ok(None) };
        Ok(read(id, &blob).or_else(|why| unreadable(id, &why).ok_or(why)).ok().map(|note| (note, blob.etag)))
    }

    /// One identity's note, with its ETag.
    pub async fn of(&self, identity: &IdentityId) -> Result<Option<(PendingNote, ETag)>, StorageError> {
        self.get(&identity.path_segment()).await
    }

    /// Takes a note away; `Conflict` when it has changed since it was read.
    pub async fn clear(&self, id: &str, at: &ETag) -> Result<(), StorageError> {
        self.container.delete(&blob_name(id), Some(at)).await
    }

    /// Takes a note away that was kept for a rejoining, unless it has another reason, or is of a later epoch, by now.
    pub(crate) async fn forget_rest(&self, id: &str, epoch: u64) -> Result<(), StorageError> {
        match self.get(id).await? {
            Some((note, etag)) if note.reason == Reason::Rejoining && note.epoch <= epoch => {
                match self.clear(id, &etag).await {
                    Err(StorageError::Conflict) => Ok(()),
                    cleared => cleared,
                }
            }
            _ => Ok(()),
        }
    }

    /// Changes a note by compare-and-swap: `change` gets the one that is there, and gives the one that shall be, or
    /// `None` when there shall be none. Gives what is stored then, with its ETag.
    pub(crate) async fn change(
        &self,
        identity: &IdentityId,
        mut change: impl FnMut(Option<PendingNote>) -> Option<PendingNote>,
    ) -> Result<Option<(PendingNote, ETag)>, StorageError> {
        let id = identity.path_segment();
        for _ in 0..ROUNDS {
            let (before, etag) = self.before(&id).await?.unzip();
            let after = change(before.clone());
            let done = match (&after, &etag) {
                (None, None) => return Ok(None),
                (None, Some(etag)) => self.clear(&id, etag).await.map(|()| None),
                (Some(note), _) if before.as_ref() == Some(note) => return Ok(before.zip(etag)),
                (Some(note), etag) => {
                    self.put(note, etag.as_ref()).await.map(|etag| Some((note.clone(), etag)))
                }
            };
            match done {
                Err(StorageError::Conflict) => {}
                done => return done,
            }
        }
        Err(StorageError::Unavailable(format!("the note of {identity} kept changing")))
    }

    /// The note as it is. One that cannot be read is set aside, as it is, and its place is empty then.
    async fn before(&self, id: &str) -> Result<Option<(PendingNote, ETag)>, StorageError> {
        let Some(blob) = self.container.get(&blob_name(id)).await? else { return Ok(None) };
        match read(id, &blob) {
            Ok(note) => Ok(Some((note, blob.etag))),
            Err(why) => {
                let aside = format!("{UNREADABLE}{id}/{}", safe(blob.etag.as_str()));
                tracing::error!(note = id, why, aside, "a note that cannot be read is set aside");
                self.container.put(&aside, blob.bytes, Precondition::None).await?;
                self.container.delete(&blob_name(id), Some(&blob.etag)).await?;
                Ok(None)
            }
        }
    }

    async fn put(&self, note: &PendingNote, at: Option<&ETag>) -> Result<ETag, StorageError> {
        let bytes = serde_json::to_vec(note).map_err(|error| StorageError::Rejected(error.to_string()))?;
        let precondition = at.cloned().map_or(Precondition::Absent, Precondition::At);
        let name = blob_name(&note.id);
        {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            if written.len() < REMEMBERED {
                written.insert(note.id.clone());
            }
        }
        Ok(self.container.put_with(&name, Bytes::from(bytes), precondition, shown(note)).await?.etag)
    }
}

/// What a listing shall show.
fn shown(note: &PendingNote) -> HashMap<String, String> {
    let mut shown = HashMap::from([
        ("reason".to_owned(), note.reason.as_str().to_owned()),
        ("next_try".to_owned(), note.next_try.as_second().to_string()),
        ("epoch".to_owned(), note.epoch.to_string()),
    ]);
    if let Some(hub) = note.waits_for {
        shown.insert("waits_for".to_owned(), hub.to_string());
    }
    shown
}

/// The id of the note that a blob of this name is. What no identity is called is none, and would be waited for in vain.
pub(super) fn note_id(name: &str) -> Option<&str> {
    let id = name.strip_prefix(PREFIX)?.strip_suffix(".json")?;
    IdentityId::from_path_segment(id).filter(|identity| identity.path_segment() == id).map(|_| id)
}

fn entry(listed: Listed) -> Option<Entry> {
    let id = note_id(&listed.name)?.to_owned();
    // Metadata names may come back in another case.
    let text = |name: &str| {
        let found = listed.metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let next_try = text("next_try").and_then(|text| text.parse().ok());
    Some(Entry {
        id,
        reason: text("reason").and_then(|text| serde_json::from_value(text.into()).ok()),
        next_try: next_try.and_then(|second| Timestamp::from_second(second).ok()).unwrap_or_default(),
        waits_for: match text("waits_for") {
            Some("primary") => Some(HubRole::Primary),
            Some("secondary") => Some(HubRole::Secondary),
            _ => None,
        },
        epoch: text("epoch").and_then(|text| text.parse().ok()).unwrap_or_default(),
    })
}

fn read(id: &str, blob: &Blob) -> Result<PendingNote, String> {
    let note: PendingNote = serde_json::from_slice(&blob.bytes).map_err(|error| error.to_string())?;
    match note.identity.path_segment() == id {
        true => Ok(note),
        false => Err(format!("it is of {}", note.identity)),
    }
}

/// Stands for a note that cannot be understood: its name still says whose it is.
fn unreadable(id: &str, why: &str) -> Option<PendingNote> {
    let identity = IdentityId::from_path_segment(id)?;
    let at = super::note::At { now: Timestamp::now(), epoch: 0 };
    let mut note = PendingNote::blank(&identity, at);
    (note.reason, note.detail) = (Reason::Malformed, format!("the note itself cannot be read: {why}"));
    Some(note)
}

fn blob_name(id: &str) -> String {
    format!("{PREFIX}{id}.json")
}

fn safe(etag: &str) -> String {
    etag.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
