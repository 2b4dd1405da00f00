//! `iot-hadr init`.

use std::time::Duration;

use super::context::Context;
use super::operator::operator;
use super::output::{complain, exit, show, storage_failed};
use super::strangers;
use crate::config::BadSetting;
use crate::iothub::Deadline;
use crate::routing::{self, Genesis, HubNames, HubRole, InitRequest, RoutingRecord, remember_probes};

/// For both hubs to make the probe identity.
const PROBES: Duration = Duration::from_secs(20);

pub(super) async fn run(context: &Context, active: Option<HubRole>, hubs_replaced: bool) -> u8 {
    let request = InitRequest { lease: context.config.lease, active, hubs_replaced, by: operator() };
    let mut is_new = false;
    let record = match routing::init(&context.clients.records, &request).await {
        Ok(Genesis::Created(stored)) => {
            is_new = true;
            show(&format!("made the routing record: {}", words(&stored.record)));
            stored.record
        }
        Ok(Genesis::Exists(stored)) => {
            show(&format!("the routing record is there: {}", words(&stored.record)));
            stored.record
        }
        Ok(Genesis::Renamed { stored, before }) => {
            renamed(context, &stored.record, before.as_ref()).iter().for_each(|line| show(line));
            stored.record
        }
        Ok(Genesis::OtherHubs(why)) => {
            complain(&why);
            return exit::REFUSED;
        }
        Ok(Genesis::NeedsInit(_)) => return exit::REFUSED,
        Err(error) => return storage_failed(&error),
    };
    if let Some(asked) = active.filter(|asked| *asked != record.active) {
        complain(&format!(
            "{asked} is not active: `iot-hadr promote --to {asked} --reason \"…\"` makes it so"
        ));
        return exit::REFUSED;
    }
    let made = make_probes(context, record.active).await;
    for BadSetting { name, why } in &context.config.faults {
        complain(&format!("{name}: {why}"));
    }
    if made == exit::DONE
        && let Some(notice) = strangers::notice(&context.clients.hubs, record.active).await
    {
        show(&notice);
    }
    if made == exit::DONE && is_new {
        show("once the app runs, `iot-hadr check --deep` proves that the events of both hubs come to it");
    }
    made
}

/// What the record says of its hubs now, and said before.
fn renamed(context: &Context, record: &RoutingRecord, before: Option<&HubNames>) -> Vec<String> {
    let now = context.clients.records.configured();
    let Some(before) = before else {
        let (primary, secondary) = (&now.primary, &now.secondary);
        return vec![format!(
            "the routing record knows its hubs now: primary {primary}, secondary {secondary}"
        )];
    };
    let names = [
        (HubRole::Primary, &before.primary, &now.primary),
        (HubRole::Secondary, &before.secondary, &now.secondary),
    ];
    let changed = names.into_iter().filter(|(_, before, now)| !before.eq_ignore_ascii_case(now));
    changed
        .map(|(role, before, now)| {
            let which = if role == record.active { "which is active" } else { "the standby" };
            format!("the {role} hub, {which}, was {before} and is {now} now")
        })
        .collect()
}

async fn make_probes(context: &Context, active: HubRole) -> u8 {
    if let Err((hub, error)) = context.clients.hubs.make_probes(Deadline::after(PROBES)).await {
        complain(&format!("no probe identity on the {hub} hub: {error}"));
        return exit::REFUSED;
    }
    match remember_probes(&context.clients.records, active).await {
        Ok(()) => {
            show("both hubs have the probe identity hadr-probe-1");
            exit::DONE
        }
        Err(error) => storage_failed(&error),
    }
}

fn words(record: &RoutingRecord) -> String {
    format!("epoch {}, {} active", record.epoch, record.active)
}
