//! `iot-hadr losses`: what two hubs disagreed on, and which value was kept.

use clap::Subcommand;
use jiff::Timestamp;

use super::context::Context;
use super::listing::{Listing, or_nothing};
use super::output::{age, complain, exit, show, show_json, storage_failed};
use crate::pending::LossStore;

/// What to do with loss reports.
#[derive(Debug, Clone, Subcommand)]
pub enum Losses {
    /// One line for each field
    List(Listing),
}

pub(super) async fn run(context: &Context, command: Losses) -> u8 {
    let Losses::List(Listing { json, limit }) = command;
    let reports = match or_nothing(LossStore::new(context.clients.store.clone()).list(limit).await) {
        Ok(reports) => reports,
        Err(error) => return storage_failed(&error.into()),
    };
    if json {
        show_json(&reports);
        return exit::DONE;
    }
    let now = Timestamp::now();
    for report in &reports {
        for loss in &report.losses {
            show(&format!(
                "{}  {} ago  {} {}: active {}, former {}, kept {}",
                report.identity,
                age(report.at, now),
                loss.section,
                loss.path.join("."),
                loss.active,
                loss.former_active,
                loss.kept
            ));
        }
    }
    complain(&format!("{} loss reports", reports.len()));
    exit::DONE
}
