//! `iot-hadr dead-letters`: events that name no identity or can never be understood.

use clap::{ArgGroup, Subcommand};
use jiff::Timestamp;

use super::context::Context;
use super::listing::{Listing, One, or_nothing};
use super::output::{age, complain, count, exit, show, show_columns, show_json, storage_failed};
use crate::replication::{DeadLetter, DeadLetterStore};
use crate::storage::StorageError;

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLetters {
    /// One line each: why, since when
    List(Listing),
    /// All that is known of one, the event's bytes included
    Show(One),
    /// Forgets those that were looked at: they are never tried again
    #[command(group = ArgGroup::new("which").required(true).args(["ids", "all"]))]
    Remove {
        /// The ids that `list` shows
        ids: Vec<String>,
        /// Every one that there is
        #[arg(long)]
        all: bool,
    },
}

pub(super) async fn run(context: &Context, command: DeadLetters) -> u8 {
    let store = DeadLetterStore::new(context.clients.store.clone());
    match command {
        DeadLetters::List(Listing { json, limit }) => match or_nothing(store.list(limit).await) {
            Ok(letters) => list(&letters, json),
            Err(error) => storage_failed(&error.into()),
        },
        DeadLetters::Show(One { id, json }) => match or_nothing(store.get(&id).await) {
            Ok(Some(letter)) => show_letter(&letter, json),
            Ok(None) => {
                complain(&format!("there is no dead letter {id}"));
                exit::REFUSED
            }
            Err(error) => storage_failed(&error.into()),
        },
        DeadLetters::Remove { all: true, .. } => removed(or_nothing(store.remove_all().await)),
        DeadLetters::Remove { ids, all: false } => remove(&store, &ids).await,
    }
}

/// Those of these ids that there are; the others are named.
async fn remove(store: &DeadLetterStore, ids: &[String]) -> u8 {
    let (mut gone, mut code) = (0, exit::DONE);
    for id in ids {
        match or_nothing(store.remove(id).await) {
            Ok(true) => gone += 1,
            Ok(false) => {
                complain(&format!("there is no dead letter {id}"));
                code = exit::REFUSED;
            }
            Err(error) => return storage_failed(&error.into()),
        }
    }
    removed(Ok(gone)).max(code)
}

fn removed(count_of_them: Result<usize, StorageError>) -> u8 {
    match count_of_them {
        Ok(number) => {
            show(&format!("{} removed", count(number, "dead letter")));
            exit::DONE
        }
        Err(error) => storage_failed(&error.into()),
    }
}

fn list(letters: &[DeadLetter], json: bool) -> u8 {
    if json {
        show_json(&letters);
        return exit::DONE;
    }
    let now = Timestamp::now();
    let row = |letter: &DeadLetter| {
        [letter.id.clone(), format!("{} ago", age(letter.since, now)), letter.reason.clone()]
    };
    show_columns(&letters.iter().map(row).collect::<Vec<_>>());
    show(&count(letters.len(), "dead letter"));
    exit::DONE
}

fn show_letter(letter: &DeadLetter, json: bool) -> u8 {
    if json {
        show_json(&[letter]);
    } else {
        show(&serde_json::to_string_pretty(letter).unwrap_or_default());
    }
    exit::DONE
}
