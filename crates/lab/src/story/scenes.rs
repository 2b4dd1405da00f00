//! The scenes, in the order they are told. Each acts through public doors (service API, MQTT, the
//! app's command line), waits until everything has come to rest, and checks what is there.

use serde_json::{Value, json};

use super::Story;
use super::cast::{self, Pump};
use super::watch::{contains, count, showing, until};
use crate::error::LabError;
use crate::hubs::{BULK_LIMIT, Hub, compare};
use crate::operator;
use crate::terminal::{Line, say, scene};

/// One in so many devices is deleted.
const DELETED_SHARE: usize = 4;

/// What each scene is about.
const CREATE: &str = "\
With keys, with certificates, disabled, behind a gateway, with a module.
The app hears of each, asks both hubs, and makes it on the secondary.";
const CONNECT: &str = "\
Each device asks the router by HTTP which hub it should connect to.";
const CHANGE: &str = "\
The back end changes tags and desired properties; devices obey and report.
All three are copied, reported properties too.";
const DELETE: &str = "\
A quarter of the fleet goes. The app deletes only what the active hub said
is deleted, and keeps a snapshot of each.";
const COMPARE: &str = "\
Field by field, keys included, by the hubs' own service API.";

impl Story {
    /// Devices of every kind, and a module, on the primary.
    pub(super) async fn create(&mut self) -> Result<(), LabError> {
        self.scene("1  Devices are created on the primary", CREATE).await;
        let line = Line::start("on the secondary");
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
        self.scene("2  The fleet is switched on", CONNECT).await;
        let mut line = Line::start("the fleet");
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
        self.scene("3  Twins change", CHANGE).await;
        let mut line = Line::start("on the secondary");
        let (active, standby) = (&self.world.primary, &self.world.secondary);
        self.patch_all(active, 1).await?;
        self.obeyed(&mut line, active, 1).await?;
        self.fleet.report(|id| json!({ "firmware": { "version": "1.0", "of": id } })).await?;
        let changed = |entry: &Value| contains(entry, &obeying(1)) && contains(entry, &firmware("1.0"));
        self.replicated(line, [active, standby], changed).await
    }

    /// A quarter of the fleet, and the device with the certificate.
    pub(super) async fn delete(&mut self) -> Result<(), LabError> {
        self.scene("4  Devices are deleted", DELETE).await;
        let line = Line::start("on the secondary");
        let leaving = self.pumps.split_off(self.pumps.len() - self.pumps.len() / DELETED_SHARE);
        for pump in &leaving {
            self.fleet.switch_off(&pump.id);
            self.world.primary.delete(&pump.id).await?;
        }
        self.world.primary.delete("gate-x509").await?;
        self.replicated(line, [&self.world.primary, &self.world.secondary], |_| true).await
    }

    /// Both hubs, field by field, through the service API.
    pub(super) async fn compare(&self) -> Result<(), LabError> {
        self.scene("10  Are both hubs equal?", COMPARE).await;
        let line = Line::start("compared");
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

    /// Begins a scene, when there was time to look at the one before.
    pub(super) async fn scene(&self, title: &str, about: &str) {
        tokio::time::sleep(self.pause).await;
        scene(title, about);
    }

    /// How many devices are where.
    pub(super) fn census(&self) -> String {
        let (primary, secondary) = (self.fleet.at(&self.world.primary), self.fleet.at(&self.world.secondary));
        let nowhere = self.fleet.len() - primary - secondary;
        format!("primary {primary} · secondary {secondary} · nowhere {nowhere}")
    }

    /// The service changes every twin of the fleet, and the module's.
    pub(super) async fn patch_all(&self, hub: &Hub, round: u32) -> Result<(), LabError> {
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
    pub(super) async fn obeyed(&self, line: &mut Line, hub: &Hub, round: u32) -> Result<(), LabError> {
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
        let shown = |now: usize| format!("{now} of {wanted}");
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
pub(super) fn obeying(round: u32) -> Value {
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
