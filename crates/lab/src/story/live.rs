//! What the page shows while everything stays up, and what its buttons do.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{Fuse, FusedFuture as _, LocalBoxFuture};
use futures::{FutureExt as _, pin_mut};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::Story;
use super::cast::Pump;
use crate::error::LabError;
use crate::operator;
use crate::page::{Button, Happened, Moment, Page, news};
use crate::world::World;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// `status` waits for a hub that is down; a page does not wait for `status` longer.
const STATUS_WITHIN: Duration = Duration::from_secs(15);

/// What is being done because a button was pressed, and what is to be told of it.
type Doing<'a> = Fuse<LocalBoxFuture<'a, String>>;

/// The first device that a button makes.
const FIRST_MADE: u32 = 1_001;

/// The page with the moment that it shows.
pub(super) struct Live {
    page: Page,
    moment: Moment,
    next: u32,
}

impl Live {
    /// Serves the page.
    ///
    /// # Errors
    /// When no port can be bound.
    pub(super) async fn begin(story: &Story) -> Result<Self, LabError> {
        let mut happened = Happened::default();
        happened.tell("the story has been told; everything stays up");
        let devices = whereabouts(story);
        let (status, pending) = (json!({}), BTreeMap::new());
        let moment = Moment { at: Timestamp::now(), status, pending, devices, happened };
        let page = Page::serve(&moment).await?;
        Ok(Self { page, moment, next: FIRST_MADE })
    }

    /// Where it is.
    pub(super) fn address(&self) -> &str {
        &self.page.address
    }

    /// Looks and does what is asked for, as long as it is polled.
    pub(super) async fn go_on(mut self, story: &mut Story) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = ticks.tick() => None,
                Some(button) = self.page.pressed() => Some(button),
            };
            match asked {
                Some(Button::Create) => self.create(story).await,
                Some(button) => self.while_done(story, button).await,
                None => self.look(story).await,
            }
        }
    }

    async fn look(&mut self, story: &Story) {
        let now = self.now(story).await;
        let mut happened = std::mem::take(&mut self.moment.happened);
        // The first look is no news.
        if self.moment.status.get("record").is_some() {
            news(&self.moment, &now).into_iter().for_each(|what| happened.tell(what));
        }
        self.moment = Moment { happened, ..now };
        self.page.show(&self.moment);
    }

    async fn now(&self, story: &Story) -> Moment {
        let status = tokio::time::timeout(STATUS_WITHIN, operator::status(&story.world)).await;
        // Without storage, or with a hub that hangs, what was seen before is the newest there is.
        let status = status.ok().and_then(Result::ok).unwrap_or_else(|| self.moment.status.clone());
        let pending = match status.get("pending").and_then(Value::as_u64) {
            None | Some(0) => BTreeMap::new(),
            Some(_) => {
                operator::pending(&story.world).await.map(|all| Moment::by_reason(&all)).unwrap_or_default()
            }
        };
        let happened = Happened::default();
        Moment { at: Timestamp::now(), status, pending, devices: whereabouts(story), happened }
    }

    /// Goes on looking until what the button asks for is done.
    async fn while_done(&mut self, story: &Story, button: Button) {
        let status = self.moment.status.clone();
        let doing: Doing<'_> = done(&story.world, button, status).boxed_local().fuse();
        pin_mut!(doing);
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !doing.is_terminated() {
            tokio::select! {
                what = &mut doing => self.tell(what),
                _ = ticks.tick() => self.look(story).await,
            }
        }
    }

    async fn create(&mut self, story: &mut Story) {
        let active = text(&self.moment.status, "/record/active");
        let hubs = [&story.world.primary, &story.world.secondary];
        let Some(hub) = hubs.into_iter().find(|hub| hub.name == active) else {
            return self.tell("no hub is active".to_owned());
        };
        let pump = Pump::new(self.next);
        self.next += 1;
        match hub.create(&pump.identity()).await {
            Ok(_) => {
                story.fleet.switch_on(&pump.id, pump.key(), &story.roads);
                self.tell(format!("{} is made on the {active}", pump.id));
            }
            Err(error) => self.tell(format!("{} is not made: {error}", pump.id)),
        }
    }

    fn tell(&mut self, what: String) {
        self.moment.happened.tell(what);
        self.page.show(&self.moment);
    }
}

/// Does it, and says what came of it.
async fn done(world: &World, button: Button, status: Value) -> String {
    match button {
        Button::Break => outage(world, "refuse", "the primary is broken").await,
        Button::Mend => {
            let mended = outage(world, "off", "the primary is mended").await;
            let waits = text(&status, "/record/standbyState") == "rejoining"
                && status.pointer("/record/planned") == Some(&Value::Bool(false));
            if waits && operator::accept_rejoining(world).await.is_ok() {
                return format!("{mended}, and the operator lets it rejoin");
            }
            mended
        }
        Button::Promote => promoted(world, &status).await,
        // It needs the fleet.
        Button::Create => String::new(),
    }
}

async fn outage(world: &World, mode: &str, told: &str) -> String {
    match world.emulator("POST", "/hubs/primary/outage", Some(json!({ "mode": mode }))).await {
        Ok(_) => told.to_owned(),
        Err(error) => error.to_string(),
    }
}

/// By force when the active hub is known not to answer.
async fn promoted(world: &World, status: &Value) -> String {
    let active = text(status, "/record/active");
    let to = if active == "primary" { "secondary" } else { "primary" };
    let answers = status.pointer(&format!("/hubs/{active}/reachable")) != Some(&Value::Bool(false));
    let mut arguments = vec!["promote", "--to", to, "--reason", "the page's button"];
    arguments.extend((!answers).then_some("--force"));
    match world.run(&arguments).await {
        Ok(ran) if ran.is_done() => format!("the {to} is promoted"),
        Ok(ran) => ran.complaint.trim().lines().last().unwrap_or("refused").to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The role of the hub that each device is connected to.
fn whereabouts(story: &Story) -> BTreeMap<String, Option<String>> {
    let hubs = [&story.world.primary, &story.world.secondary];
    let role = |host: &str| hubs.iter().find(|hub| hub.host == host).map(|hub| hub.name.clone());
    story.fleet.whereabouts().map(|(id, host)| (id, role(&host))).collect()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
