//! `iot-hadr init`.

use std::time::Duration;

use super::output::{complain, exit, show};
use super::{Context, operator, storage_failed};
use crate::iothub::Deadline;
use crate::routing::{self, Genesis, HubRole, RoutingRecord, remember_probes};

/// For both hubs to make the probe identity.
const PROBES: Duration = Duration::from_secs(20);

pub(super) async fn run(context: &Context, active: Option<HubRole>) -> u8 {
    let made = routing::init(&context.clients.records, context.config.lease, active, &operator()).await;
    let record = match made {
        Ok(Genesis::Created(stored)) => {
            show(&format!("made the routing record: {}", words(&stored.record)));
            stored.record
        }
        Ok(Genesis::Exists(stored)) => {
            show(&format!("the routing record is there: {}", words(&stored.record)));
            stored.record
        }
        Ok(Genesis::NeedsInit(_)) => return exit::REFUSED,
        Err(error) => return storage_failed(&error),
    };
    if let Some(asked) = active.filter(|asked| *asked != record.active) {
        complain(&format!("{asked} is not active: `iot-hadr promote --to {asked}` makes it so"));
        return exit::REFUSED;
    }
    make_probes(context, record.active).await
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
