//! `iot-hadr losses`: what two hubs disagreed on, and which value was kept.

use clap::Subcommand;
use jiff::Timestamp;

use super::context::Context;
use super::listing::{Listing, One, or_nothing};
use super::output::{age, complain, count, exit, show, show_columns, show_json, storage_failed};
use crate::model::IdentityId;
use crate::pending::{LossReport, LossStore};
use crate::reconcile::Loss;

/// What to do with loss reports.
#[derive(Debug, Clone, Subcommand)]
pub enum Losses {
    /// One line for each field
    List(Listing),
    /// All reports of one identity, `device` or `device/module`
    Show(One),
}

pub(super) async fn run(context: &Context, command: Losses) -> u8 {
    let store = LossStore::new(context.clients.store.clone());
    match command {
        Losses::List(Listing { json, limit }) => match or_nothing(store.list(limit).await) {
            Ok(reports) => listed(&reports, json),
            Err(error) => storage_failed(&error.into()),
        },
        Losses::Show(One { id, json }) => {
            let Ok(identity) = id.parse::<IdentityId>() else { return none_of(&id) };
            match or_nothing(store.of(&identity).await) {
                Ok(reports) if reports.is_empty() => none_of(&id),
                Ok(reports) => shown(&reports, json),
                Err(error) => storage_failed(&error.into()),
            }
        }
    }
}

fn none_of(id: &str) -> u8 {
    complain(&format!("there is no loss report of {id}"));
    exit::REFUSED
}

fn listed(reports: &[LossReport], json: bool) -> u8 {
    if json {
        show_json(&reports);
        return exit::DONE;
    }
    let now = Timestamp::now();
    let rows = reports.iter().flat_map(|report| {
        report.losses.iter().map(move |loss| {
            let [section, active, former, kept] = cells(loss);
            [
                report.identity.to_string(),
                format!("{} ago", age(report.at, now)),
                section,
                active,
                former,
                kept,
            ]
        })
    });
    show_columns(&rows.collect::<Vec<_>>());
    show(&count(reports.len(), "loss report"));
    exit::DONE
}

/// One report below the other, a field in a line.
fn shown(reports: &[LossReport], json: bool) -> u8 {
    if json {
        show_json(&reports);
        return exit::DONE;
    }
    for report in reports {
        show(&format!("{}, epoch {}, last added to {}", report.identity, report.epoch, report.at));
        let rows = report.losses.iter().map(|loss| {
            let [section, active, former, kept] = cells(loss);
            [format!("  {section}"), active, former, kept]
        });
        show_columns(&rows.collect::<Vec<_>>());
    }
    exit::DONE
}

/// The field, what both hubs had, and what was kept.
fn cells(loss: &Loss) -> [String; 4] {
    [
        format!("{} {}", loss.section, loss.path.join(".")),
        format!("active {}", loss.active),
        format!("former {}", loss.former_active),
        format!("kept {}", loss.kept),
    ]
}
