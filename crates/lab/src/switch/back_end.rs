//! The back end: through the service API of the hub that the router names, it changes tags and desired properties, and
//! makes and deletes devices.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::fields;
use super::ledger::{Change, Ledger, Section};
use crate::assignment::RouterClient;
use crate::hubs::Hub;
use crate::sas;
use crate::story::cast::Pump;

/// How long a hub may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Requests on their way at one time; beyond them the back end waits as a real one would.
const IN_FLIGHT: usize = 64;
/// So many of its own devices live before it begins to delete.
const LIVING: usize = 20;
/// Ids of its own devices begin here.
const FIRST_ID: u32 = 10_000;
/// One in so many creations is of a device that was deleted before.
const MADE_AGAIN: u32 = 3;
/// Of a hundred changes, how many are of its own devices, and how many of both sections at once.
const OF_ITS_OWN: u32 = 25;
const OF_BOTH: u32 = 10;

/// Who changes what is not reported.
#[derive(Debug)]
pub(super) struct BackEnd {
    hubs: [Hub; 2],
    ledger: Ledger,
    random: StdRng,
    fleet: Vec<String>,
    living: Vec<String>,
    deleted: Vec<String>,
    /// The number of the next device, and the next value.
    next: u32,
    value: u64,
}

/// One request, with what it changes.
struct Request {
    hub: Hub,
    number: usize,
    method: Method,
    path: String,
    if_match: Option<&'static str>,
    body: Option<Value>,
    changes: Vec<Change>,
    then: Then,
}

/// What is different once a hub has accepted it.
#[derive(Debug, Clone)]
enum Then {
    Nothing,
    Lives(String),
    IsDeleted(String),
}

impl BackEnd {
    /// One that knows a fleet and has no devices of its own yet.
    pub(super) fn new(hubs: [Hub; 2], fleet: Vec<String>, ledger: &Ledger, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let (ledger, living, deleted) = (ledger.clone(), Vec::new(), Vec::new());
        Self { hubs, ledger, random, fleet, living, deleted, next: FIRST_ID, value: 0 }
    }

    /// Works until it is told to stop: `rate` changes, and `churn` creations and deletions, a second.
    pub(super) async fn work(
        mut self,
        router: RouterClient,
        (rate, churn): (f64, f64),
        stop: watch::Receiver<bool>,
    ) {
        let (named, hub) = watch::channel(None);
        tokio::select! {
            () = router.follow(named) => {}
            () = self.change_where_named(&hub, (rate, churn), stop) => {}
        }
    }

    async fn change_where_named(
        &mut self,
        hub: &watch::Receiver<Option<String>>,
        (rate, churn): (f64, f64),
        mut stop: watch::Receiver<bool>,
    ) {
        let (mut changes, mut churns) = (every(rate), every(churn));
        let mut requests: JoinSet<Then> = JoinSet::new();
        while !*stop.borrow() {
            tokio::select! {
                _ = changes.tick(), if requests.len() < IN_FLIGHT => {
                    let request = self.at(hub).and_then(|at| self.change(at));
                    self.send(&mut requests, request);
                }
                _ = churns.tick(), if requests.len() < IN_FLIGHT => {
                    let creation = self.at(hub).and_then(|at| self.creation(at));
                    self.send(&mut requests, creation);
                    let deletion = self.at(hub).and_then(|at| self.deletion(at));
                    self.send(&mut requests, deletion);
                }
                Some(done) = requests.join_next() => self.remember(done.unwrap_or(Then::Nothing)),
                _ = stop.changed() => {}
            }
        }
        while requests.join_next().await.is_some() {}
    }

    fn at(&self, hub: &watch::Receiver<Option<String>>) -> Option<usize> {
        let host = hub.borrow().clone()?;
        self.hubs.iter().position(|hub| hub.host == host)
    }

    fn send(&self, requests: &mut JoinSet<Then>, request: Option<Request>) {
        if let Some(request) = request {
            requests.spawn(request.perform(self.ledger.clone()));
        }
    }

    fn remember(&mut self, done: Then) {
        match done {
            Then::Nothing => {}
            Then::Lives(id) => self.living.push(id),
            Then::IsDeleted(id) => self.deleted.push(id),
        }
    }

    fn change(&mut self, at: usize) -> Option<Request> {
        let own = !self.living.is_empty() && self.random.random_range(0..100) < OF_ITS_OWN;
        let devices = if own { &self.living } else { &self.fleet };
        let device = devices.get(self.random.random_range(0..devices.len().max(1)))?.clone();
        let [first, second] = if self.random.random() {
            [Section::Tags, Section::Desired]
        } else {
            [Section::Desired, Section::Tags]
        };
        let both = self.random.random_range(0..100) < OF_BOTH;
        let sections = [Some(first), both.then_some(second)];
        let changes: Vec<Change> =
            sections.into_iter().flatten().map(|section| self.change_of(&device, section)).collect();
        let body = json!({
            "tags": fields::merge_patch(&changes, Section::Tags),
            "properties": { "desired": fields::merge_patch(&changes, Section::Desired) },
        });
        self.request(at, (Method::PATCH, "twins", &device), Some(without_empty(body)), changes)
    }

    fn change_of(&mut self, device: &str, section: Section) -> Change {
        self.value += 1;
        fields::change(&mut self.random, device, section, self.value)
    }

    fn creation(&mut self, at: usize) -> Option<Request> {
        let again = !self.deleted.is_empty() && self.random.random_ratio(1, MADE_AGAIN);
        let mut identity = Pump::new(self.next).identity();
        if again {
            let id = self.deleted.swap_remove(self.random.random_range(0..self.deleted.len()));
            *identity.get_mut("deviceId")? = json!(id);
        } else {
            self.next += 1;
        }
        let device = identity.get("deviceId")?.as_str()?.to_owned();
        let changes = vec![made(&identity)?];
        let mut request = self.request(at, (Method::PUT, "devices", &device), Some(identity), changes)?;
        request.then = Then::Lives(device);
        Some(request)
    }

    fn deletion(&mut self, at: usize) -> Option<Request> {
        if self.living.len() < LIVING {
            return None;
        }
        let device = self.living.swap_remove(self.random.random_range(0..self.living.len()));
        let change =
            Change { device: device.clone(), section: Section::Registry, path: Vec::new(), value: None };
        let mut request = self.request(at, (Method::DELETE, "devices", &device), None, vec![change])?;
        // Whatever version is there.
        request.if_match = Some("\"*\"");
        request.then = Then::IsDeleted(device);
        Some(request)
    }

    fn request(
        &self,
        number: usize,
        (method, root, device): (Method, &str, &str),
        body: Option<Value>,
        changes: Vec<Change>,
    ) -> Option<Request> {
        let hub = self.hubs.get(number)?.clone();
        let path = format!("/{root}/{}", sas::encoded(device));
        Some(Request { hub, number, method, path, if_match: None, body, changes, then: Then::Nothing })
    }
}

/// What the ledger says of an identity that is made: its primary key.
pub(super) fn made(identity: &Value) -> Option<Change> {
    let device = identity.get("deviceId").or_else(|| identity.get("id"))?.as_str()?.to_owned();
    let key = identity.pointer("/authentication/symmetricKey/primaryKey")?.clone();
    Some(Change { device, section: Section::Registry, path: Vec::new(), value: Some(key) })
}

impl Request {
    async fn perform(self, ledger: Ledger) -> Then {
        let ticket = ledger.sent(self.changes, self.number);
        let sent = self.hub.send(self.method, &self.path, self.if_match, self.body.as_ref());
        match timeout(ANSWER_WITHIN, sent).await {
            Ok(Ok((status, _))) if status.is_success() => {
                ledger.accepted(ticket);
                self.then
            }
            Ok(Ok((status, _))) if status.is_client_error() => {
                ledger.refused(ticket);
                Then::Nothing
            }
            // It may be there all the same.
            _ => Then::Nothing,
        }
    }
}

/// Sections that nothing is to change in are not sent.
fn without_empty(mut patch: Value) -> Value {
    let is_empty = |value: Option<&Value>| value.and_then(Value::as_object).is_some_and(|o| o.is_empty());
    let (no_tags, no_desired) = (is_empty(patch.get("tags")), is_empty(patch.pointer("/properties/desired")));
    if let Some(members) = patch.as_object_mut() {
        members.retain(|name, _| !(name == "tags" && no_tags || name == "properties" && no_desired));
    }
    patch
}

/// What was missed is made up for, so that the rate is kept.
fn every(a_second: f64) -> tokio::time::Interval {
    interval(Duration::from_secs_f64(1.0 / a_second))
}
