//! `iot-hadr rejoin`: what a rejoining waits for, and the word that ends a forced one.

use clap::Args;

use super::context::Context;
use super::operator::operator;
use super::output::{complain, exit, show, storage_failed};
use crate::fleet::Stage;
use crate::model::IdentityId;
use crate::pending::PendingStore;
use crate::routing::{Stored, accept_rejoin, authorship};

/// Pending identities named in the plan.
const SHOWN: usize = 20;

/// The arguments of `rejoin`.
#[derive(Debug, Clone, Args)]
pub struct Rejoin {
    /// Show what ending it would do, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// End a rejoining after a forced promotion as soon as all that the former active hub said is on the active one
    #[arg(long)]
    accept: bool,
    /// What the former active hub said of this identity and could not be brought over goes to a loss report
    #[arg(long, value_name = "DEVICE[/MODULE]")]
    give_up: Vec<IdentityId>,
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
    if arguments.dry_run || !arguments.accept {
        return plan(context, &stored).await;
    }
    for id in &arguments.give_up {
        if let Err(why) = context.pending().give_up(id, &stored.record).await {
            complain(&format!("{id}: {why}"));
            return exit::REFUSED;
        }
        show(&format!("{id}: what {} said of it is in the loss report", stored.record.standby));
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
    match context.clients.records.replace(accepted, &stored.etag).await {
        Ok(stored) => {
            show("accepted: the app ends the rejoining by itself now");
            plan(context, &stored).await
        }
        Err(error) => storage_failed(&error),
    }
}

async fn plan(context: &Context, stored: &Stored) -> u8 {
    let ending = context.rejoin();
    match ending.look(&stored.record).await {
        Ok(stage) => show(&in_words(&stage)),
        Err(why) => {
            complain(&why);
            return exit::REFUSED;
        }
    }
    match ending.listed().await {
        Ok(0) => {}
        Ok(count) => {
            show(&format!("{count} identities changed on either hub; each is compared, and then copied"))
        }
        Err(why) => complain(&why),
    }
    let notes = PendingStore::new(context.clients.store.clone()).list(SHOWN).await.unwrap_or_default();
    for note in &notes {
        show(&format!("{}  {}  {}", note.identity, note.reason, note.detail));
    }
    exit::DONE
}

/// In one sentence.
pub(super) fn in_words(stage: &Stage) -> String {
    match stage {
        Stage::InSync => "in sync: nothing to end".to_owned(),
        Stage::Promoting => "a promotion is under way".to_owned(),
        Stage::NotAccepted => {
            "ready to end: `iot-hadr rejoin --accept` brings the former active hub back in sync".to_owned()
        }
        Stage::Moving(until) => format!("clients may still move, until {until:.0}"),
        Stage::FormerDown(why) => format!("the former active hub does not answer: {why}"),
        Stage::Partitions(passed, known) => {
            format!("{passed} of {known} partitions have passed the time that clients need to move")
        }
        Stage::Pending(count) => format!("{count} identities are pending"),
        Stage::Comparing(count) => format!("comparing what changed: {count} in this run"),
    }
}
