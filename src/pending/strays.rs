//! Blobs where notes are that are no notes: no identity is called so. They stand for nothing, and nothing waits for them.

use super::store::{PREFIX, note_id};
use crate::storage::{Container, StorageError};

/// Their names, at most `limit`.
///
/// # Errors
/// Storage.
pub async fn strays(container: &Container, limit: usize) -> Result<Vec<String>, StorageError> {
    let (mut found, mut next) = (Vec::new(), None);
    while found.len() < limit {
        let page = container.page(PREFIX, next.as_deref()).await?;
        let names = page.blobs.into_iter().map(|listed| listed.name);
        found.extend(names.filter(|name| note_id(name).is_none()));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Whether a blob of this name would be one. A note never is, readable or not, and neither is anything elsewhere.
pub fn is_stray(name: &str) -> bool {
    name.starts_with(PREFIX) && note_id(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_called_as_its_identity_is_written_and_everything_else_there_is_none() {
        for note in ["pending/a.json", "pending/a%2Fm.json", "pending/edge%231.json"] {
            assert!(!is_stray(note), "{note}");
        }
        for stray in [
            "pending/a",
            "pending/edge#1.json",
            "pending/a%41.json",
            "pending/x/y.json",
            "pending/a%2fm.json",
        ] {
            assert!(is_stray(stray), "{stray}");
        }
        assert!(!is_stray("routing-record.json"));
    }
}
