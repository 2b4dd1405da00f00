//! `iot-hadr losses`: what two hubs disagreed on, and which value was kept.

use clap::Subcommand;
use jiff::Timestamp;

use super::context::Context;
use super::listing::{Listing, or_nothing};
use super::output::{age, count, exit, show, show_columns, show_json, storage_failed};
use crate::pending::LossStore;
use crate::reconcile::Loss;

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
    let rows = reports.iter().flat_map(|report| {
        let line = |loss: &Loss| {
            [
                report.identity.to_string(),
                format!("{} ago", age(report.at, now)),
                format!("{} {}", loss.section, loss.path.join(".")),
                format!("active {}", loss.active),
                format!("former {}", loss.former_active),
                format!("kept {}", loss.kept),
            ]
        };
        report.losses.iter().map(line)
    });
    show_columns(&rows.collect::<Vec<_>>());
    show(&count(reports.len(), "loss report"));
    exit::DONE
}
