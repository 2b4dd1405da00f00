//! The promotions: planned ones to and fro, then forced ones away from a hub that was killed. Some of these are forced
//! back before both hubs are in-sync again.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::ledger::Ledger;
use super::options::SwitchOptions;
use super::promotion::Promotion;
use crate::assignment::RouterClient;
use crate::error::LabError;
use crate::hubs::Hub;
use crate::operator;
use crate::terminal::Line;
use crate::world::World;

/// How often the router is asked whether it names the new hub.
const LOOK: Duration = Duration::from_millis(50);
/// How often the record is read, and the end of a rejoining accepted.
const POLL: Duration = Duration::from_millis(500);
/// How long a promotion may take until the router answers.
const ANSWERED_WITHIN: Duration = Duration::from_secs(120);
/// How long traffic goes on between two things that happen to the roles, milliseconds.
const TRAFFIC_MS: (u64, u64) = (3_000, 9_000);
/// How long a hub is dead before somebody promotes the other one, milliseconds.
const NOTICED_MS: (u64, u64) = (500, 4_000);

/// Switches roles, one promotion after the other.
pub(super) struct Roles<'a> {
    world: &'a World,
    ledger: &'a Ledger,
    options: &'a SwitchOptions,
    random: StdRng,
    routers: Vec<String>,
}

impl<'a> Roles<'a> {
    /// With faults and moments drawn from the run's seed.
    ///
    /// # Errors
    /// When no functions host runs.
    pub(super) fn new(
        world: &'a World,
        ledger: &'a Ledger,
        options: &'a SwitchOptions,
    ) -> Result<Self, LabError> {
        let random = StdRng::seed_from_u64(options.seed);
        Ok(Self { world, ledger, options, random, routers: world.routers()? })
    }

    /// All promotions that were asked for; fewer when one does not come to its end or the time is over.
    ///
    /// # Errors
    /// When the emulator or the app's command line does not answer.
    pub(super) async fn run(mut self) -> Result<Vec<Promotion>, LabError> {
        let count = self.options.planned + self.options.forced;
        let mut done = Vec::new();
        for number in 1..=count {
            self.traffic(number, count).await;
            if self.is_over() {
                break;
            }
            let forced = number > self.options.planned;
            let goes_back = forced && number < count && self.random.random();
            let promotion = self.promote(number, forced, goes_back).await?;
            let complete = promotion.is_complete();
            done.push(promotion);
            if !complete {
                break;
            }
        }
        self.some_traffic().await;
        sleep(self.limit().unwrap_or_default().saturating_sub(self.ledger.now())).await;
        Ok(done)
    }

    async fn promote(&mut self, number: u32, forced: bool, goes_back: bool) -> Result<Promotion, LabError> {
        let kind = if forced { "forced" } else { "planned" };
        let from = self.active().await?;
        let to =
            if from.name == self.world.primary.name { &self.world.secondary } else { &self.world.primary };
        let mut line = Line::start(&format!("{number}  {kind} promotion of the {}", to.name));
        let mut promotion = if forced {
            self.forced(number, from, to, &mut line).await?
        } else {
            self.planned(number, to).await?
        };
        if promotion.answered.is_some() {
            line.show("devices move");
            promotion.cut = self.cut().await?;
            if goes_back {
                promotion.goes_back = true;
                promotion.note = format!("{} then forced back", promotion.note);
            } else {
                self.in_sync(&mut promotion).await?;
            }
        }
        line.done(&promotion.in_short());
        Ok(promotion)
    }

    /// What is refused because of what is pending is asked for again with leave.
    async fn planned(&mut self, number: u32, to: &Hub) -> Result<Promotion, LabError> {
        let patience = self.options.in_sync_seconds.to_string();
        let ask = ["promote", "--to", &to.name, "--reason", "practice", "--drain-timeout-seconds", &patience];
        let with_leave = [&ask[..], &["--accept-pending"]].concat();
        let promotion = self.called(number, to, &ask).await?;
        if promotion.answered.is_some() {
            return Ok(promotion);
        }
        let refused = format!("refused: {}; ", last_line(&promotion.note));
        let mut promotion = self.called(number, to, &with_leave).await?;
        promotion.note = refused + last_line(&promotion.note);
        Ok(promotion)
    }

    /// The active hub is killed, the other one takes over, traffic goes on, and the hub comes back.
    async fn forced(
        &mut self,
        number: u32,
        from: &Hub,
        to: &Hub,
        line: &mut Line,
    ) -> Result<Promotion, LabError> {
        let mode = if self.random.random() { "refuse" } else { "hang" };
        self.outage(from, mode).await?;
        line.show(&format!("{} is dead ({mode})", from.name));
        sleep(self.between(NOTICED_MS)).await;
        let ask = ["promote", "--force", "--to", &to.name, "--reason", "practice: the active hub is dead"];
        let mut promotion = self.called(number, to, &ask).await?;
        promotion.forced = true;
        line.show(&format!("{} is active, {} is dead", to.name, from.name));
        sleep(Duration::from_secs(self.options.valid_seconds.into())).await;
        self.some_traffic().await;
        self.outage(from, "off").await?;
        promotion.back = self.ledger.now();
        promotion.note = format!("{mode} {}", promotion.note);
        Ok(promotion)
    }

    /// Calls `promote` while looking at the router.
    async fn called(&mut self, number: u32, to: &Hub, ask: &[&str]) -> Result<Promotion, LabError> {
        let began = self.ledger.now();
        let (run, named) = (self.world.run(ask), self.named(to));
        tokio::pin!(run, named);
        let (ran, answered) = tokio::select! {
            answered = &mut named => (run.await?, answered),
            ran = &mut run => {
                let ran = ran?;
                let answered = if ran.is_done() { named.await } else { None };
                (ran, answered)
            }
        };
        let note = if ran.is_done() { String::new() } else { ran.complaint };
        let to = to.name.clone();
        let (back, cut) = (began, None);
        let (forced, goes_back, in_sync) = (false, false, None);
        Ok(Promotion { number, forced, goes_back, to, began, cut, answered, back, in_sync, note })
    }

    /// When an instance's router names this hub; nothing when that takes too long.
    async fn named(&self, hub: &Hub) -> Option<Duration> {
        let http = self.world.http().clone();
        let deadline = Instant::now() + ANSWERED_WITHIN;
        while Instant::now() < deadline {
            // A new client each time: it must not remember anything.
            let mut router = RouterClient::new(self.routers.clone(), http.clone(), "onlooker");
            if router.ask().await.is_ok_and(|answer| answer.host == hub.host) {
                return Some(self.ledger.now());
            }
            sleep(LOOK).await;
        }
        None
    }

    /// Waits until the former active hub is in-sync, and accepts the end of a forced rejoining as an operator would.
    async fn in_sync(&self, promotion: &mut Promotion) -> Result<(), LabError> {
        let deadline = Instant::now() + Duration::from_secs(self.options.in_sync_seconds);
        while Instant::now() < deadline {
            if promotion.forced {
                operator::accept_rejoining(self.world).await?;
            }
            if operator::is_in_sync(self.world, &promotion.to).await? {
                promotion.in_sync = Some(self.ledger.now());
                return Ok(());
            }
            sleep(POLL).await;
        }
        promotion.note = format!("{} not in-sync in time", promotion.note);
        Ok(())
    }

    async fn cut(&self) -> Result<Option<Duration>, LabError> {
        let status = operator::status(self.world).await?;
        let cut = status.pointer("/record/cut").and_then(Value::as_str);
        Ok(cut.and_then(|cut| cut.parse().ok()).and_then(|cut| self.ledger.moment(cut)))
    }

    async fn active(&self) -> Result<&'a Hub, LabError> {
        let status = operator::status(self.world).await?;
        let active = status.pointer("/record/active").and_then(Value::as_str).unwrap_or_default();
        let hubs = [&self.world.primary, &self.world.secondary];
        let found = hubs.into_iter().find(|hub| hub.name == active);
        found.ok_or_else(|| LabError::Program("status".to_owned(), "no record.active".to_owned()))
    }

    async fn outage(&self, hub: &Hub, mode: &str) -> Result<(), LabError> {
        let path = format!("/hubs/{}/outage", hub.name);
        self.world.emulator("POST", &path, Some(json!({ "mode": mode }))).await.map(|_| ())
    }

    /// Traffic until the next promotion's turn.
    async fn traffic(&mut self, number: u32, count: u32) {
        self.some_traffic().await;
        if let Some(limit) = self.limit() {
            let turn = limit.mul_f64(f64::from(number - 1) / f64::from(count.max(1)));
            sleep(turn.saturating_sub(self.ledger.now())).await;
        }
    }

    async fn some_traffic(&mut self) {
        let wait = self.between(TRAFFIC_MS);
        sleep(wait).await;
    }

    fn between(&mut self, (from, to): (u64, u64)) -> Duration {
        Duration::from_millis(self.random.random_range(from..to))
    }

    fn is_over(&self) -> bool {
        self.limit().is_some_and(|limit| self.ledger.now() > limit)
    }

    fn limit(&self) -> Option<Duration> {
        self.options.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0))
    }
}

fn last_line(text: &str) -> &str {
    text.trim().lines().last().unwrap_or_default()
}
