//! The back end: through the service API of the hub that the router names, it changes tags and desired properties, by
//! patches and by whole twins, and makes and deletes devices and modules.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::fields;
use super::ledger::{Change, Ledger, Section, device_of};
use crate::assignment::RouterClient;
use crate::hubs::Hub;
use crate::sas;
use crate::story::cast::Pump;

/// `If-Match`: whatever version is there.
const ANY: &str = "\"*\"";
/// How long a hub may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Requests on their way at one time; beyond them the back end waits as a real one would.
const IN_FLIGHT: usize = 64;
/// So many of its own devices live before it begins to delete.
const LIVING: usize = 20;
/// Ids of its own devices begin here.
const FIRST_ID: u32 = 10_000;
/// The same of modules.
const LIVING_MODULES: usize = 10;
/// One in so many creations is of a device that was deleted before.
const MADE_AGAIN: u32 = 3;
/// Modules of a device have one of these names, so that they are made again too.
const MODULES: [&str; 2] = ["camera", "controller"];
/// Of a hundred changes, how many are of its own devices, how many of modules, and how many of both sections at once.
const OF_ITS_OWN: u32 = 20;
const OF_MODULES: u32 = 10;
const OF_BOTH: u32 = 10;
/// Of a hundred changes, how many replace the whole twin.
const WHOLE: u32 = 4;

/// Who changes what is not reported.
#[derive(Debug)]
pub(super) struct BackEnd {
    hubs: [Hub; 2],
    ledger: Ledger,
    random: StdRng,
    fleet: Vec<String>,
    living: Vec<String>,
    deleted: Vec<String>,
    /// Modules as `device/module`: those that live, and all that were ever sent to be made.
    modules: Vec<String>,
    made_modules: BTreeSet<String>,
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
        let (living, deleted, modules, made_modules) = Default::default();
        let ledger = ledger.clone();
        Self { hubs, ledger, random, fleet, living, deleted, modules, made_modules, next: FIRST_ID, value: 0 }
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
                    let of = [Self::creation, Self::deletion, Self::module_creation, Self::module_deletion];
                    for next in of {
                        let request = self.at(hub).and_then(|at| next(self, at));
                        self.send(&mut requests, request);
                    }
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
            Then::Lives(id) if id.contains('/') => self.modules.push(id),
            Then::Lives(id) => self.living.push(id),
            Then::IsDeleted(id) => self.deleted.push(id),
        }
    }

    fn change(&mut self, at: usize) -> Option<Request> {
        let id = self.any_identity()?;
        if self.random.random_range(0..100) < WHOLE {
            return self.replacement(at, &id);
        }
        let [first, second] = if self.random.random() {
            [Section::Tags, Section::Desired]
        } else {
            [Section::Desired, Section::Tags]
        };
        let both = self.random.random_range(0..100) < OF_BOTH;
        let sections = [Some(first), both.then_some(second)];
        let changes: Vec<Change> =
            sections.into_iter().flatten().map(|section| self.change_of(&id, section)).collect();
        let body = json!({
            "tags": fields::merge_patch(&changes, Section::Tags),
            "properties": { "desired": fields::merge_patch(&changes, Section::Desired) },
        });
        self.request(at, (Method::PATCH, "twins", &id), Some(without_empty(body)), changes)
    }

    fn any_identity(&mut self) -> Option<String> {
        let lot = self.random.random_range(0..100);
        let of_its_own = lot < OF_ITS_OWN && !self.living.is_empty();
        let of_modules = !of_its_own && lot < OF_ITS_OWN + OF_MODULES && !self.modules.is_empty();
        let ids = match (of_its_own, of_modules) {
            (true, _) => &self.living,
            (_, true) => &self.modules,
            _ => &self.fleet,
        };
        ids.get(self.random.random_range(0..ids.len().max(1))).cloned()
    }

    fn replacement(&mut self, at: usize, id: &str) -> Option<Request> {
        let mut changes = Vec::new();
        for section in [Section::Tags, Section::Desired] {
            let value = &mut self.value;
            let next = || {
                *value += 1;
                *value
            };
            changes.extend(fields::all(&mut self.random, id, section, next));
        }
        let body = json!({
            "tags": fields::replacement(&changes, Section::Tags),
            "properties": { "desired": fields::replacement(&changes, Section::Desired) },
        });
        let request = self.request(at, (Method::PUT, "twins", id), Some(body), changes)?;
        Some(Request { if_match: Some(ANY), ..request })
    }

    fn change_of(&mut self, id: &str, section: Section) -> Change {
        self.value += 1;
        fields::change(&mut self.random, id, section, self.value)
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
        let of_it = |module: &&String| device_of(module) == device;
        // Its modules go with it, also those of which no answer came.
        let mut changes: Vec<Change> =
            self.made_modules.iter().filter(of_it).map(|module| deleted(module)).collect();
        changes.push(deleted(&device));
        self.modules.retain(|module| !of_it(&module));
        let request = self.request(at, (Method::DELETE, "devices", &device), None, changes)?;
        Some(Request { if_match: Some(ANY), then: Then::IsDeleted(device), ..request })
    }

    fn module_creation(&mut self, at: usize) -> Option<Request> {
        let devices = if self.random.random() { &self.living } else { &self.fleet };
        let device = devices.get(self.random.random_range(0..devices.len().max(1)))?.clone();
        let module = *MODULES.get(self.random.random_range(0..MODULES.len()))?;
        let id = format!("{device}/{module}");
        if self.modules.contains(&id) {
            return None;
        }
        let mut identity = Pump::new(0).identity();
        let members = identity.as_object_mut()?;
        members.remove("status");
        members.extend([("deviceId".to_owned(), json!(device)), ("moduleId".to_owned(), json!(module))]);
        self.made_modules.insert(id.clone());
        let changes = vec![made(&identity)?];
        let request = self.request(at, (Method::PUT, "devices", &id), Some(identity), changes)?;
        Some(Request { then: Then::Lives(id), ..request })
    }

    fn module_deletion(&mut self, at: usize) -> Option<Request> {
        if self.modules.len() < LIVING_MODULES {
            return None;
        }
        let id = self.modules.swap_remove(self.random.random_range(0..self.modules.len()));
        let request = self.request(at, (Method::DELETE, "devices", &id), None, vec![deleted(&id)])?;
        Some(Request { if_match: Some(ANY), ..request })
    }

    fn request(
        &self,
        number: usize,
        (method, root, id): (Method, &str, &str),
        body: Option<Value>,
        changes: Vec<Change>,
    ) -> Option<Request> {
        let hub = self.hubs.get(number)?.clone();
        let path = match id.split_once('/') {
            Some((device, module)) => {
                format!("/{root}/{}/modules/{}", sas::encoded(device), sas::encoded(module))
            }
            None => format!("/{root}/{}", sas::encoded(id)),
        };
        Some(Request { hub, number, method, path, if_match: None, body, changes, then: Then::Nothing })
    }
}

/// What the ledger says of an identity that is made: its primary key.
pub(super) fn made(identity: &Value) -> Option<Change> {
    let device = identity.get("deviceId").or_else(|| identity.get("id"))?.as_str()?;
    let module = identity.get("moduleId").and_then(Value::as_str);
    let id = module.map_or_else(|| device.to_owned(), |module| format!("{device}/{module}"));
    let key = identity.pointer("/authentication/symmetricKey/primaryKey")?.clone();
    Some(of_registry(id, Some(key)))
}

fn deleted(id: &str) -> Change {
    of_registry(id.to_owned(), None)
}

fn of_registry(identity: String, value: Option<Value>) -> Change {
    Change { identity, section: Section::Registry, path: Vec::new(), value }
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
