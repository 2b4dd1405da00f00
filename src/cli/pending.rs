//! `iot-hadr pending`: identities that are not right yet.

use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::context::Context;
use super::output::{age, complain, exit, show, show_json, storage_failed};
use crate::iothub::Deadline;
use crate::model::IdentityId;
use crate::pending::{PendingNote, PendingStore, Retried};
use crate::storage::StorageError;

/// For a retry of everything.
const RETRY: Duration = Duration::from_secs(300);

/// What to do with pending identities.
#[derive(Debug, Clone, Subcommand)]
pub enum PendingCommand {
    /// One line each: why, since when
    List {
        /// A JSON array
        #[arg(long)]
        json: bool,
        /// At most so many
        #[arg(long, default_value_t = 1000)]
        limit: usize,
    },
    /// All that is known of one
    Show {
        /// The id that `list` shows, or `device` or `device/module`
        id: String,
        /// A JSON array of one
        #[arg(long)]
        json: bool,
    },
    /// Looks at both hubs again now; all of them without an id
    Retry {
        /// The id that `list` shows, or `device` or `device/module`
        id: Option<String>,
        /// A JSON array of one
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(context: &Context, command: PendingCommand) -> u8 {
    let store = PendingStore::new(context.clients.store.clone());
    match command {
        PendingCommand::List { json, limit } => list(&store, json, limit).await,
        PendingCommand::Show { id, json } => match find(&store, &id).await {
            Ok(note) => show_note(&note, json),
            Err(code) => code,
        },
        PendingCommand::Retry { id: None, json } => {
            retried(context.pending().retry_all(Deadline::after(RETRY)).await, json)
        }
        PendingCommand::Retry { id: Some(id), json } => match find(&store, &id).await {
            Ok(note) => retried(context.pending().retry(&note.identity, Deadline::after(RETRY)).await, json),
            Err(code) => code,
        },
    }
}

async fn list(store: &PendingStore, json: bool, limit: usize) -> u8 {
    let notes = match store.list(limit).await {
        Ok(notes) => notes,
        Err(StorageError::NoContainer) => Vec::new(),
        Err(error) => return storage_failed(&error.into()),
    };
    if json {
        show_json(&notes);
        return exit::DONE;
    }
    let now = Timestamp::now();
    for note in &notes {
        show(&format!(
            "{}  {}  for {}, tried {} times  {}",
            note.id,
            note.reason.as_str(),
            age(note.since, now),
            note.attempts,
            note.detail
        ));
    }
    complain(&format!("{} pending", notes.len()));
    exit::DONE
}

/// By its id, or by the identity's own spelling.
async fn find(store: &PendingStore, id: &str) -> Result<PendingNote, u8> {
    let mut found = store.get(id).await;
    if let (Ok(None), Ok(identity)) = (&found, id.parse::<IdentityId>()) {
        found = store.of(&identity).await;
    }
    match found {
        Ok(Some((note, _))) => Ok(note),
        Ok(None) | Err(StorageError::NoContainer) => {
            complain(&format!("{id} is not pending"));
            Err(exit::REFUSED)
        }
        Err(error) => Err(storage_failed(&error.into())),
    }
}

fn show_note(note: &PendingNote, json: bool) -> u8 {
    if json {
        show_json(&[note]);
    } else {
        show(&serde_json::to_string_pretty(note).unwrap_or_default());
    }
    exit::DONE
}

fn retried(outcome: Result<Retried, String>, json: bool) -> u8 {
    let done = match outcome {
        Ok(done) => done,
        Err(why) => {
            complain(&format!("not tried: {why}"));
            return exit::REFUSED;
        }
    };
    if json {
        show_json(&[numbers(done)]);
    } else {
        show(&format!(
            "{} tried, {} right now, {} still pending",
            done.tried, done.resolved, done.still_pending
        ));
    }
    if done.still_pending == 0 { exit::DONE } else { exit::REFUSED }
}

fn numbers(done: Retried) -> Value {
    json!({"tried": done.tried, "resolved": done.resolved, "stillPending": done.still_pending})
}
