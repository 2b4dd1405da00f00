//! `iot-hadr pending`: identities that are not right yet.

use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::context::Context;
use super::listing::{Listing, One, or_nothing};
use super::members::names;
use super::output::{age, complain, count, exit, show, show_columns, show_json, storage_failed};
use crate::iothub::Deadline;
use crate::model::IdentityId;
use crate::pending::{PendingNote, PendingStore, Retried, Slot, is_stray, strays};
use crate::routing::HubRole;

/// For a retry of everything.
const RETRY: Duration = Duration::from_secs(300);

/// What to do with pending identities.
#[derive(Debug, Clone, Subcommand)]
pub enum PendingCommand {
    /// One line each: why, since when, and when it is tried next
    List(Listing),
    /// All that is known of one; what was written is named without its values (`--json` has them)
    Show(One),
    /// Looks at both hubs again now; all of them without an id
    Retry {
        /// The id that `list` shows, or `device` or `device/module`
        id: Option<String>,
        /// A JSON array of one
        #[arg(long)]
        json: bool,
    },
    /// Removes blobs under pending/ that are no notes; a note is never removed by hand
    Remove {
        /// Their names, as `list` shows them
        #[arg(required = true)]
        names: Vec<String>,
    },
}

pub(super) async fn run(context: &Context, command: PendingCommand) -> u8 {
    let store = PendingStore::new(context.clients.store.clone());
    match command {
        PendingCommand::List(Listing { json, limit }) => {
            let code = list(&store, json, limit).await;
            code.max(name_strays(context, limit).await)
        }
        PendingCommand::Remove { names } => remove(context, &names).await,
        PendingCommand::Show(One { id, json }) => match find(&store, &id).await {
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
    let notes = match or_nothing(store.list(limit).await) {
        Ok(notes) => notes,
        Err(error) => return storage_failed(&error.into()),
    };
    if json {
        show_json(&notes);
        return exit::DONE;
    }
    let now = Timestamp::now();
    show_columns(&notes.iter().map(|note| row(note, now)).collect::<Vec<_>>());
    show(&format!("{} pending", notes.len()));
    exit::DONE
}

/// On stderr: they are nobody's.
async fn name_strays(context: &Context, limit: usize) -> u8 {
    match or_nothing(strays(&context.clients.store, limit).await) {
        Ok(names) => names.iter().for_each(|name| {
            complain(&format!(
                "{name} is no note, and nothing waits for it: `iot-hadr pending remove '{name}'`"
            ));
        }),
        Err(error) => return storage_failed(&error.into()),
    }
    exit::DONE
}

async fn remove(context: &Context, names: &[String]) -> u8 {
    for name in names {
        if !is_stray(name) {
            complain(&format!("{name} is not removed: of a note, what it stands for would be forgotten"));
            return exit::REFUSED;
        }
        if let Err(error) = or_nothing(context.clients.store.delete(name, None).await) {
            return storage_failed(&error.into());
        }
    }
    show(&format!("{} removed", count(names.len(), "blob")));
    exit::DONE
}

/// The identity as people write it; `show` and `retry` take it so.
fn row(note: &PendingNote, now: Timestamp) -> [String; 5] {
    [
        note.identity.to_string(),
        note.reason.to_string(),
        format!("for {}", age(note.since, now)),
        format!("tried {}, {}", times(note.attempts), next(note, now)),
        note.detail.clone(),
    ]
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

/// When it is tried again, and for which hub it waits.
fn next(note: &PendingNote, now: Timestamp) -> String {
    let when = match note.next_try {
        next if next == Timestamp::MAX => "not tried by itself".to_owned(),
        next if next <= now => "due now".to_owned(),
        next => format!("next in {}", age(now, next)),
    };
    match note.waits_for {
        Some(hub) => format!("{when}, waits for the {hub} hub"),
        None => when,
    }
}

/// All that a note says, for a person.
fn lines(note: &PendingNote, now: Timestamp) -> Vec<String> {
    let mut lines = vec![
        format!("identity      {}", note.identity),
        format!("reason        {}: {}", note.reason, note.detail),
        format!("since         {} ({} ago), epoch {}", note.since, age(note.since, now), note.epoch),
        format!(
            "tried         {}, last {} ago; {}",
            times(note.attempts),
            age(note.last_tried, now),
            next(note, now)
        ),
    ];
    if !note.event_hub.is_empty() {
        let sequence = note.sequence_number.map_or_else(String::new, |n| format!(", sequence number {n}"));
        lines.push(format!("event         {}/{}{sequence}", note.event_hub, note.partition));
    }
    lines.extend(slot_line(HubRole::Primary, &note.primary));
    lines.extend(slot_line(HubRole::Secondary, &note.secondary));
    lines
}

/// What one hub said that is not brought over yet.
fn slot_line(hub: HubRole, slot: &Slot) -> Option<String> {
    let time = |what: &str, at: Option<Timestamp>| at.map(|at| format!("{what} {at}"));
    let sections =
        [("tags", &slot.writes.tags), ("desired", &slot.writes.desired), ("reported", &slot.writes.reported)];
    let sections = sections.into_iter().filter(|(_, writes)| !writes.is_empty());
    let said: Vec<String> = [time("created", slot.created), time("deleted", slot.deleted)]
        .into_iter()
        .flatten()
        .chain(sections.map(|(name, writes)| format!("{name} {}", names(writes))))
        .collect();
    (!said.is_empty()).then(|| format!("{:<14}said: {}", hub.to_string(), said.join("; ")))
}

/// By its id, or by the identity's own spelling.
async fn find(store: &PendingStore, id: &str) -> Result<PendingNote, u8> {
    let mut found = or_nothing(store.get(id).await);
    if let (Ok(None), Ok(identity)) = (&found, id.parse::<IdentityId>()) {
        found = or_nothing(store.of(&identity).await);
    }
    match found {
        Ok(Some((note, _))) => Ok(note),
        Ok(None) => {
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
        lines(note, Timestamp::now()).iter().for_each(|line| show(line));
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
        show(&in_words(done));
    }
    if done.still_pending == 0 { exit::DONE } else { exit::REFUSED }
}

fn in_words(Retried { tried, resolved, still_pending }: Retried) -> String {
    match (tried, still_pending) {
        (0, 0) => "nothing is pending".to_owned(),
        (0, waiting) => format!("none could be tried, {waiting} still pending"),
        _ => format!("{tried} tried: {resolved} in order now, {still_pending} still pending"),
    }
}

fn numbers(done: Retried) -> Value {
    json!({"tried": done.tried, "resolved": done.resolved, "stillPending": done.still_pending})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const NOW: &str = "2026-01-01T00:10:00Z";

    fn note(more: Value) -> PendingNote {
        let mut note = json!({
            "id": "pump", "identity": {"deviceId": "pump"}, "reason": "backlog", "detail": "not brought over yet",
            "since": "2026-01-01T00:00:00Z", "lastTried": "2026-01-01T00:09:00Z", "attempts": 3,
            "nextTry": "2026-01-01T00:10:40Z", "eventHub": "devicetwin", "partition": "2", "sequenceNumber": 17,
            "epoch": 4,
        });
        note.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        serde_json::from_value(note).unwrap()
    }

    #[test]
    fn the_list_says_when_it_is_tried_next_and_which_hub_it_waits_for() {
        let now = NOW.parse().unwrap();
        assert_eq!(
            row(&note(json!({"waitsFor": "primary"})), now).join("  "),
            "pump  backlog  for 10 min  tried 3 times, next in 40 s, waits for the primary hub  not brought over yet"
        );
        let due = row(&note(json!({"nextTry": "2026-01-01T00:09:59Z", "attempts": 1})), now);
        assert_eq!(due[3], "tried once, due now");
        let id =
            row(&note(json!({"id": "a%23b%2Fm", "identity": {"deviceId": "a#b", "moduleId": "m"}})), now);
        assert_eq!(id[0], "a#b/m", "as it is written to the commands");
        let never = note(json!({"nextTry": Timestamp::MAX}));
        assert_eq!(next(&never, now), "not tried by itself");
    }

    #[test]
    fn a_retry_says_what_came_of_it_also_of_nothing() {
        let words = |tried, resolved, still_pending| in_words(Retried { tried, resolved, still_pending });
        assert_eq!(words(0, 0, 0), "nothing is pending");
        assert_eq!(words(3, 2, 1), "3 tried: 2 in order now, 1 still pending");
        assert_eq!(words(0, 0, 4), "none could be tried, 4 still pending");
    }

    #[test]
    fn one_note_is_shown_with_what_each_hub_said_and_without_values() {
        let said = json!({"secondary": {
            "deleted": "2026-01-01T00:05:00Z",
            "writes": {"desired": [{"path": ["key"], "written": {"set": "hush"}}, {"path": ["old"], "written": "removed"}]},
        }});
        let lines = lines(&note(said), NOW.parse().unwrap());
        let expected = [
            "identity      pump",
            "reason        backlog: not brought over yet",
            "since         2026-01-01T00:00:00Z (10 min ago), epoch 4",
            "tried         3 times, last 60 s ago; next in 40 s",
            "event         devicetwin/2, sequence number 17",
            "secondary     said: deleted 2026-01-01T00:05:00Z; desired key, -old",
        ];
        assert_eq!(lines, expected);
    }
}
