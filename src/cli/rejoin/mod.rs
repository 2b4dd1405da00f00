//! `iot-hadr rejoin`: what a rejoining waits for, and the word that ends a forced one.
//!
//! `progress` is how far it is, `listed` what changed meanwhile, `write_back` what its end would write.

mod listed;
mod progress;
mod write_back;

use std::pin::pin;
use std::time::Duration;

use clap::Args;
use futures::StreamExt as _;
use jiff::Timestamp;

use self::listed::Listed;
pub(super) use self::progress::Progress;
use self::write_back::{Change, Sum, changes};
use super::context::Context;
use super::listing::or_nothing;
use super::operator::operator;
use super::output::{complain, exit, is_terminal, show, storage_failed};
use crate::iothub::Deadline;
use crate::model::IdentityId;
use crate::pending::{LossStore, PendingStore};
use crate::routing::{
    HubRole, RecordError, RoutingRecord, StandbyState, Stored, accept_rejoin, authorship, probe_present,
};

/// Pending identities named in the plan.
const SHOWN: usize = 20;

/// For a hub to show that it is there.
const HUB_ANSWERS: Duration = Duration::from_secs(5);

/// Loss reports read for their sum.
const LOSSES: usize = 1_000;

/// The arguments of `rejoin`.
#[derive(Debug, Clone, Args)]
pub struct Rejoin {
    /// Show what ending it would do, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Of the identities that changed, read so many from both hubs, and say what would be written
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
    /// End a rejoining after a forced promotion as soon as all that the former active hub said is on the active one
    #[arg(long)]
    accept: bool,
    /// What the former active hub said of this identity and could not be brought over goes to a loss report
    #[arg(long, value_name = "DEVICE[/MODULE]")]
    give_up: Vec<IdentityId>,
    /// The same for the values that the active hub refuses (pending as `rejected`), of all identities
    #[arg(long)]
    give_up_refused: bool,
}

pub(super) async fn run(context: &Context, arguments: Rejoin) -> u8 {
    let stored = match context.clients.records.read().await {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            complain("there is no routing record; `iot-hadr init` makes one");
            return exit::REFUSED;
        }
        Err(error) => return storage_failed(&error),
    };
    if let Some(why) = context.clients.records.other_hubs(&stored.record) {
        complain(&why);
        return exit::REFUSED;
    }
    let mut given_up = arguments.give_up.clone();
    if arguments.give_up_refused && stored.record.standby_state == StandbyState::Rejoining {
        match or_nothing(PendingStore::new(context.clients.store.clone()).rejected().await) {
            Ok(rejected) => given_up.extend(rejected),
            Err(error) => return storage_failed(&error.into()),
        }
    }
    for id in given_up.iter().filter(|_| !arguments.dry_run) {
        if let Err(why) = context.pending().give_up(id, &stored.record).await {
            complain(&format!("{id}: {why}"));
            return exit::REFUSED;
        }
        show(&format!("{id}: what {} said of it is in the loss report", stored.record.standby));
    }
    if arguments.dry_run || !arguments.accept {
        return plan(context, &stored.record, arguments.limit).await;
    }
    accept(context, &stored).await
}

async fn accept(context: &Context, stored: &Stored) -> u8 {
    let accepted = match accept_rejoin(&stored.record, authorship(&operator(), &stored.record.reason)) {
        Ok(accepted) => accepted,
        Err(why) => {
            complain(&why.to_string());
            return exit::REFUSED;
        }
    };
    let accepted = match stored.record.rejoin_accepted {
        // What waits until everybody knows the record would wait anew.
        true => Ok(stored.clone()),
        false => context.clients.records.replace(accepted, &stored.etag).await,
    };
    match accepted {
        Ok(stored) => {
            show("accepted: the app ends the rejoining by itself now");
            match Progress::look(context, &stored.record).await {
                Ok(progress) => in_sync_or(progress.as_ref()),
                Err(error) => storage_failed(&error),
            }
        }
        Err(error) => storage_failed(&error),
    }
}

/// Shows how far it is; the exit code.
fn in_sync_or(progress: Option<&Progress>) -> u8 {
    match progress {
        Some(progress) => progress.lines(Timestamp::now(), is_terminal()).iter().for_each(|line| show(line)),
        None => show("in sync: nothing to end"),
    }
    exit::DONE
}

async fn plan(context: &Context, record: &RoutingRecord, limit: usize) -> u8 {
    let progress = match Progress::look(context, record).await {
        Ok(progress) => progress,
        Err(error) => return storage_failed(&error),
    };
    in_sync_or(progress.as_ref());
    let Some(progress) = progress else { return exit::DONE };
    if let Err(error) = show_rest(context, record).await {
        return storage_failed(&error);
    }
    if limit > 0 {
        show_changes(context, record, &progress.listed, limit).await;
    }
    exit::DONE
}

/// What is pending, and what was lost so far.
async fn show_rest(context: &Context, record: &RoutingRecord) -> Result<(), RecordError> {
    let container = &context.clients.store;
    let notes = or_nothing(PendingStore::new(container.clone()).list(SHOWN).await)?;
    for note in &notes {
        show(&format!("{:<14}{}  {}  {}", "pending", note.identity, note.reason, note.detail));
    }
    if notes.len() == SHOWN {
        show(&format!("{:<14}… all of them: `iot-hadr pending list`", ""));
    }
    let since = record.diverged.map_or(record.epoch, |diverged| diverged.epoch);
    let mut reports = or_nothing(LossStore::new(container.clone()).list(LOSSES).await)?;
    reports.retain(|report| report.epoch >= since);
    let fields: usize = reports.iter().map(|report| report.losses.len()).sum();
    show(&format!("{:<14}{}", "losses", losses(fields, reports.len())));
    Ok(())
}

fn losses(fields: usize, reports: usize) -> String {
    match fields {
        0 => "none so far".to_owned(),
        fields => format!(
            "{fields} fields of {reports} identities, on which the hubs disagreed (`iot-hadr losses list`)"
        ),
    }
}

/// Which hub does not answer, in words.
async fn silent_hub(context: &Context) -> Option<String> {
    let of = async |role: HubRole| {
        let answer = probe_present(context.clients.hubs.get(role), Deadline::after(HUB_ANSWERS)).await;
        answer.err().map(|error| format!("the {role} hub does not answer: {error}"))
    };
    let (primary, secondary) = tokio::join!(of(HubRole::Primary), of(HubRole::Secondary));
    primary.or(secondary)
}

/// What would be written to the former active hub, were the hubs to stay as they are.
async fn show_changes(context: &Context, record: &RoutingRecord, listed: &Listed, limit: usize) {
    let Listed::These(listed) = listed else { return };
    if listed.is_empty() {
        return;
    }
    if let Some(silent) = silent_hub(context).await {
        return complain(&format!("{silent}; what its end would write cannot be told"));
    }
    show(&format!("what the {} hub would get, as both hubs are now:", record.standby));
    let mut sum = Sum::default();
    let mut changes = pin!(changes(&context.clients.hubs, record.active, listed.iter().take(limit)));
    while let Some((id, change)) = changes.next().await {
        sum.add(&change);
        if change != Change::Nothing {
            show(&format!("  {id}  {change}"));
        }
    }
    let more = listed.len().saturating_sub(limit);
    let rest = if more > 0 { format!("; {more} more are listed (`--limit N`)") } else { String::new() };
    show(&format!("{sum}{rest}"));
}
