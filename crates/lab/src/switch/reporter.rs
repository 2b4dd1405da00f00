//! One device: connected to the hub that the router names, it reports once a second.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::fields;
use super::ledger::{Change, Ledger, Section};
use crate::assignment::a_moment;
use crate::fleet::Roads;
use crate::fleet::session::Session;

/// Between two reports.
const EVERY: Duration = Duration::from_secs(1);
/// Every report has the counter; every so many have another field beside it, once.
const BESIDE: u64 = 7;
/// The hub stored it, documented.
const STORED: u16 = 204;

/// A device, and what it needs to be one.
#[derive(Debug)]
pub(super) struct Reporter {
    id: String,
    key: Vec<u8>,
    roads: Roads,
    /// The hubs' host names, the primary first.
    hosts: [String; 2],
    ledger: Ledger,
    random: StdRng,
    reports: u64,
}

impl Reporter {
    /// A device that has not connected yet.
    pub(super) fn new(
        (id, key): (&str, Vec<u8>),
        roads: &Roads,
        hosts: [String; 2],
        ledger: &Ledger,
        seed: u64,
    ) -> Self {
        Self {
            id: id.to_owned(),
            key,
            roads: roads.clone(),
            hosts,
            ledger: ledger.clone(),
            random: StdRng::seed_from_u64(seed),
            reports: 0,
        }
    }

    /// Reports until it is told to stop; what is on its way then is waited for.
    pub(super) async fn live(mut self, stop: watch::Receiver<bool>) {
        let (named, hub) = watch::channel(None);
        let router = self.roads.router(&self.id);
        tokio::select! {
            () = router.follow(named) => {}
            () = self.report_where_named(hub, stop) => {}
        }
    }

    async fn report_where_named(
        &mut self,
        mut hub: watch::Receiver<Option<String>>,
        stop: watch::Receiver<bool>,
    ) {
        while !*stop.borrow() {
            let host = hub.borrow_and_update().clone();
            let Some(host) = host else {
                // Nothing is named yet, or never will be.
                if hub.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                // What is on its way to the hub that is left stays without an answer.
                _ = hub.changed() => {}
                ended = self.report_to(&host, &stop) => if ended.is_err() {
                    tokio::time::sleep(a_moment()).await;
                }
            }
        }
    }

    /// Until the connection is lost, or it is told to stop.
    async fn report_to(&mut self, host: &str, stop: &watch::Receiver<bool>) -> Result<(), String> {
        let number = self.hosts.iter().position(|known| known == host).ok_or("unknown hub")?;
        let (to_device, mut desired) = mpsc::unbounded_channel();
        let endpoint = self.roads.endpoint(host)?;
        let mut session = Session::open(&endpoint, &self.id, &self.key, to_device).await?;
        let first = Duration::from_millis(rand::random_range(0..1_000));
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stop.borrow() {
            tokio::select! {
                () = session.closed() => return Err("connection lost".to_owned()),
                // It does nothing about what is desired.
                Some(_) = desired.recv() => {}
                _ = ticks.tick() => self.report(&session, number).await?,
            }
        }
        Ok(())
    }

    async fn report(&mut self, session: &Session, hub: usize) -> Result<(), String> {
        let changes = self.next_changes();
        let patch = fields::merge_patch(&changes, Section::Reported);
        let ticket = self.ledger.sent(changes, hub);
        match session.patch_reported(&patch).await? {
            STORED => self.ledger.accepted(ticket),
            400..500 => self.ledger.refused(ticket),
            // It may be there all the same.
            _ => {}
        }
        Ok(())
    }

    fn next_changes(&mut self) -> Vec<Change> {
        self.reports += 1;
        let counter = Change {
            identity: self.id.clone(),
            section: Section::Reported,
            path: vec!["n".to_owned()],
            value: Some(json!(self.reports)),
        };
        let mut changes = vec![counter];
        if self.random.random_ratio(1, BESIDE as u32) {
            changes.push(fields::change(&mut self.random, &self.id, Section::Reported, self.reports));
        }
        changes
    }
}
