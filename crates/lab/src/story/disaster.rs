//! The scenes in which a region dies, is done without, and comes back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Story;
use super::cast::Pump;
use super::watch::{contains, count, showing, until};
use crate::error::LabError;
use crate::hubs::Hub;
use crate::operator;
use crate::terminal::Line;

/// How many changes the primary accepts last, of which nothing has left its region when it dies.
const LAST_WORDS: usize = 3;

/// How long a rejoining may take here.
const IN_SYNC_WITHIN: Duration = Duration::from_secs(90);
/// How often the operator looks.
const LOOK: Duration = Duration::from_millis(500);

/// What each scene is about.
const LOSE: &str = "\
It has just accepted three more changes, which nobody has heard of yet.
Now its hub answers nothing. The router goes on naming it: who should take
over is for an operator to say.";
const FORCE: &str = "\
iot-hadr promote --to secondary --force. Every process of the app loses its
right to write first; then the router names the secondary.";
const ELSEWHERE: &str = "\
The back end creates, deletes and changes; devices obey and report.
Nothing is written to the hub that was lost.";
const BACK: &str = "\
What the primary still knew is brought to the secondary. Then, as soon as an
operator accepts it, what has changed meanwhile is written to the primary.";
const HOME: &str = "\
iot-hadr promote --to primary. Nobody is in a hurry now: it waits until all
events are applied, and nothing is lost by whoever writes meanwhile.";

impl Story {
    /// The primary's last changes stay in its region, and it answers nobody.
    pub(super) async fn lose_the_region(&mut self) -> Result<(), LabError> {
        self.scene("5  The primary's region dies", LOSE).await;
        let mut line = Line::start("the fleet");
        let held = json!({ "eventHub": "devicetwin", "mode": "hold", "times": LAST_WORDS });
        self.world.emulator("POST", "/events", Some(held)).await?;
        for pump in self.pumps.iter().take(LAST_WORDS) {
            self.world.primary.patch_twin(&pump.named(), &last_words()).await?;
        }
        self.outage("refuse").await?;
        let gone = async || Ok(self.fleet.len() - self.fleet.at(&self.world.primary));
        until(&mut line, "devices lost their hub", self.fleet.len(), gone).await?;
        line.done(&self.census());
        Ok(())
    }

    /// The operator promotes the secondary without asking the primary; devices come over on their own.
    pub(super) async fn promote_by_force(&mut self) -> Result<(), LabError> {
        self.scene("6  The operator promotes the secondary", FORCE).await;
        self.promote("secondary", &["--force", "--reason", "the primary's region is gone"]).await
    }

    /// Life goes on with one hub.
    pub(super) async fn carry_on_elsewhere(&mut self) -> Result<(), LabError> {
        self.scene("7  Life goes on, on one hub", ELSEWHERE).await;
        let mut line = Line::start("changes applied");
        let active = &self.world.secondary;
        active.create(&Pump::new(900).identity()).await?;
        active.delete("gate-ca").await?;
        self.patch_all(active, 2).await?;
        self.obeyed(&mut line, active, 2).await?;
        self.fleet.report(|id| json!({ "firmware": { "version": "2.0", "of": id } })).await?;
        line.done(&format!("{} of {} devices", self.fleet.len(), self.fleet.len()));
        Ok(())
    }

    /// The primary answers again, and what it still knew is out.
    pub(super) async fn get_the_region_back(&mut self) -> Result<(), LabError> {
        self.scene("8  The region comes back", BACK).await;
        let mut line = Line::start("brought over");
        self.outage("off").await?;
        let release = json!({ "order": "forward" });
        self.world.emulator("POST", "/events/release", Some(release)).await?;
        let spoken = async || {
            count(&self.world, &self.world.secondary, |entry| {
                contains(entry, &json!({ "twin": last_words() }))
            })
            .await
        };
        until(&mut line, "last changes of the primary", LAST_WORDS, spoken).await?;
        line.done(&format!("{LAST_WORDS} of {LAST_WORDS} last changes of the primary"));
        self.rejoined("secondary", true).await
    }

    /// The operator promotes the primary again, as planned.
    pub(super) async fn go_home(&mut self) -> Result<(), LabError> {
        self.scene("9  The fleet goes home", HOME).await;
        self.promote("primary", &["--reason", "the primary's region is back"]).await?;
        self.rejoined("primary", false).await
    }

    async fn promote(&self, to: &str, how: &[&str]) -> Result<(), LabError> {
        let mut line = Line::start("the fleet");
        let arguments = [&["promote", "--to", to], how].concat();
        showing(&mut line, self.world.app(&arguments), async || Ok(self.census())).await?;
        showing(&mut line, self.fleet.gather(self.named(to)), async || Ok(self.census())).await?;
        line.done(&self.census());
        Ok(())
    }

    /// The other hub is in-sync again; after a forced promotion an operator accepts that.
    async fn rejoined(&self, active: &str, accept: bool) -> Result<(), LabError> {
        let mut line = Line::start("the other hub");
        line.show("rejoining");
        let deadline = Instant::now() + IN_SYNC_WITHIN;
        while !operator::is_in_sync(&self.world, active).await? {
            if Instant::now() > deadline {
                return Err(LabError::Late(format!("for both hubs to be in-sync with the {active} active")));
            }
            if accept {
                operator::accept_rejoining(&self.world).await?;
            }
            tokio::time::sleep(LOOK).await;
        }
        line.done("in-sync");
        Ok(())
    }

    async fn outage(&self, mode: &str) -> Result<(), LabError> {
        let path = format!("/hubs/{}/outage", self.world.primary.name);
        self.world.emulator("POST", &path, Some(json!({ "mode": mode }))).await.map(drop)
    }

    fn named(&self, hub: &str) -> &Hub {
        if hub == self.world.primary.name { &self.world.primary } else { &self.world.secondary }
    }
}

fn last_words() -> Value {
    json!({ "tags": { "inspected": "just in time" } })
}
