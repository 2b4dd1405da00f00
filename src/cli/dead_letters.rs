//! `iot-hadr dead-letters`: events that name no identity or can never be understood.

use clap::Subcommand;
use jiff::Timestamp;

use super::context::Context;
use super::listing::{Listing, One, or_nothing};
use super::output::{age, complain, count, exit, show, show_columns, show_json, storage_failed};
use crate::replication::{DeadLetter, DeadLetterStore};

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLetters {
    /// One line each: why, since when
    List(Listing),
    /// All that is known of one, the event's bytes included
    Show(One),
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
