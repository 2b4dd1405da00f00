//! The scenes, in the order they are told. Each acts through public doors (service API, MQTT, the
//! app's command line), waits until everything has come to rest, and checks what is there.

use serde_json::{Value, json};

use super::Story;
use super::cast::{self, Pump};
use super::watch::{contains, count, showing, until};
use crate::error::LabError;
use crate::hubs::{BULK_LIMIT, Hub, compare};
use crate::operator;
use crate::terminal::{Line, say};

/// One in so many devices is deleted.
const DELETED_SHARE: usize = 4;

impl Story {
    /// Devices of every kind, and a module, on the primary.
    pub(super) async fn create(&mut self) -> Result<(), LabError> {
        let line = Line::start("1  create on the primary");
        let hub = &self.world.primary;
        let gateway = hub.create(&cast::gateway()).await?;
        hub.create(&cast::behind(&gateway)).await?;
        for pump in self.pumps.iter().take(1) {
            hub.create(&pump.identity()).await?;
            hub.create(&cast::module_of(pump)).await?;
        }
        for identity in [cast::with_certificate(), cast::with_authority(), cast::disabled()] {
            hub.create(&identity).await?;
        }
        let rest: Vec<Value> = self.pumps.iter().skip(1).map(born_in_bulk).collect();
        for items in rest.chunks(BULK_LIMIT) {
            hub.create_bulk(items).await?;
        }
        self.replicated(line, [hub, &self.world.secondary], |_| true).await
    }

    /// The fleet is switched on: each device asks the router and connects.
    pub(super) async fn connect(&mut self) -> Result<(), LabError> {
        let mut line = Line::start("   devices ask the router");
        for pump in &self.pumps {
            self.fleet.switch_on(&pump.id, pump.key(), &self.roads);
        }
        let gathering = self.fleet.gather(&self.world.primary);
        showing(&mut line, gathering, async || Ok(self.census())).await?;
        line.done(&self.census());
        Ok(())
    }

    /// Tags and desired properties by the service, reported properties by the devices.
    pub(super) async fn change(&mut self) -> Result<(), LabError> {
        let mut line = Line::start("2  change twins");
        let (active, standby) = (&self.world.primary, &self.world.secondary);
        self.patch_all(active, 1).await?;
        self.obeyed(&mut line, active, 1).await?;
        self.fleet.report(|id| json!({ "firmware": { "version": "1.0", "of": id } })).await?;
        let changed = |entry: &Value| contains(entry, &obeying(1)) && contains(entry, &firmware("1.0"));
        self.replicated(line, [active, standby], changed).await
    }

    /// A quarter of the fleet, and the device with the certificate.
    pub(super) async fn delete(&mut self) -> Result<(), LabError> {
        let line = Line::start("3  delete");
        let leaving = self.pumps.split_off(self.pumps.len() - self.pumps.len() / DELETED_SHARE);
        for pump in &leaving {
            self.fleet.switch_off(&pump.id);
            self.world.primary.delete(&pump.id).await?;
        }
        self.world.primary.delete("gate-x509").await?;
        self.replicated(line, [&self.world.primary, &self.world.secondary], |_| true).await
    }

    /// The operator promotes a hub; devices notice on their own.
    pub(super) async fn promote(&mut self, to: &str, reason: &str) -> Result<(), LabError> {
        let number = if to == "secondary" { 4 } else { 6 };
        let mut line = Line::start(&format!("{number}  promote the {to}"));
        let arguments = ["promote", "--to", to, "--reason", reason];
        let promotion = self.world.app(&arguments);
        showing(&mut line, promotion, async || Ok(self.census())).await?;
        let target = if to == "secondary" { &self.world.secondary } else { &self.world.primary };
        showing(&mut line, self.fleet.gather(target), async || Ok(self.census())).await?;
        line.done(&self.census());
        let mut line = Line::start("   the other hub rejoins");
        let counter = async || operator::is_in_sync(&self.world, to).await.map(usize::from);
        until(&mut line, "hub in-sync", 1, counter).await?;
        line.done("in-sync");
        Ok(())
    }

    /// The same as before, on the other hub: everything flows back.
    pub(super) async fn carry_on_elsewhere(&mut self) -> Result<(), LabError> {
        let mut line = Line::start("5  change on the new active hub");
        let (active, standby) = (&self.world.secondary, &self.world.primary);
        let newcomer = Pump::new(900);
        active.create(&newcomer.identity()).await?;
        active.delete("gate-ca").await?;
        self.patch_all(active, 2).await?;
        self.obeyed(&mut line, active, 2).await?;
        self.fleet.report(|id| json!({ "firmware": { "version": "2.0", "of": id } })).await?;
        let changed = |entry: &Value| contains(entry, &obeying(2)) && contains(entry, &firmware("2.0"));
        self.replicated(line, [active, standby], changed).await
    }

    /// Both hubs, field by field, through the service API.
    pub(super) async fn compare(&self) -> Result<(), LabError> {
        let line = Line::start("7  compare both hubs");
        self.world.settle().await?;
        let (primary, secondary) = (&self.world.primary, &self.world.secondary);
        let left = compare::snapshot(primary).await?;
        let right = compare::snapshot(secondary).await?;
        let lines = compare::differences((&primary.name, &left), (&secondary.name, &right));
        let fields: usize = left.values().map(leaves).sum();
        if lines.is_empty() {
            line.done(&format!("the same: {} identities, {fields} fields", left.len()));
            return Ok(());
        }
        line.done(&format!("{} differences", lines.len()));
        say("");
        Err(LabError::Different(lines))
    }

    /// How many devices are where.
    fn census(&self) -> String {
        let (primary, secondary) = (self.fleet.at(&self.world.primary), self.fleet.at(&self.world.secondary));
        let nowhere = self.fleet.len() - primary - secondary;
        let moving = if nowhere == 0 { String::new() } else { format!(" · {nowhere} on the way") };
        format!("devices: {primary} at primary · {secondary} at secondary{moving}")
    }

    /// The service changes every twin of the fleet, and the module's.
    async fn patch_all(&self, hub: &Hub, round: u32) -> Result<(), LabError> {
        let patch = json!({
            "tags": { "site": { "round": round, "tower": null } },
            "properties": { "desired": desired(round) },
        });
        for pump in &self.pumps {
            hub.patch_twin(&pump.named(), &patch).await?;
        }
        for pump in self.pumps.iter().take(1) {
            hub.patch_twin(&cast::module_of(pump), &patch).await?;
        }
        Ok(())
    }

    /// Every device has applied what is desired and said so.
    async fn obeyed(&self, line: &mut Line, hub: &Hub, round: u32) -> Result<(), LabError> {
        let counter = async || count(&self.world, hub, |entry| contains(entry, &obeying(round))).await;
        until(line, "devices have applied it", self.fleet.len(), counter).await
    }

    /// Waits until all is quiet, and checks that as many identities match on the standby as on the active hub.
    async fn replicated(
        &self,
        mut line: Line,
        [active, standby]: [&Hub; 2],
        matches: impl Fn(&Value) -> bool,
    ) -> Result<(), LabError> {
        let world = &self.world;
        let wanted = count(world, active, &matches).await?;
        let shown = |now: usize| format!("{now} of {wanted} on the {}", standby.name);
        let counters = async || Ok(shown(count(world, standby, &matches).await?));
        showing(&mut line, world.settle(), counters).await?;
        if count(world, standby, &matches).await? != wanted {
            // What is pending is looked at by itself now and then; here it need not be waited for.
            operator::retry_pending(world).await?;
            showing(&mut line, world.settle(), counters).await?;
        }
        let now = count(world, standby, &matches).await?;
        if now != wanted {
            return Err(LabError::Late(shown(now)));
        }
        line.done(&shown(now));
        Ok(())
    }
}

fn born_in_bulk(pump: &Pump) -> Value {
    pump.bulk_item(&json!({ "site": { "tower": "north" } }), &desired(0))
}

/// What the service wants in a round: nested, an array, and a number that must stay as written.
fn desired(round: u32) -> Value {
    json!({ "rate": 5 + round, "mode": { "auto": round % 2 == 1 }, "limits": [1.50, round] })
}

/// An identity that has applied the desired properties of this round, and whose tags are of it.
fn obeying(round: u32) -> Value {
    json!({ "twin": {
        "tags": { "site": { "round": round } },
        "properties": { "desired": desired(round), "reported": desired(round) },
    } })
}

fn firmware(version: &str) -> Value {
    json!({ "twin": { "properties": { "reported": { "firmware": { "version": version } } } } })
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(leaves).sum(),
        _ => 1,
    }
}
