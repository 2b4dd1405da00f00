//! What came to pass lately, told from how one moment differs from the one before.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Moment;

/// So much is remembered.
const LATELY: usize = 20;

/// What came to pass lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Happened {
    newest_first: VecDeque<(Timestamp, String)>,
}

impl Happened {
    /// Something came to pass now.
    pub(crate) fn tell(&mut self, what: impl Into<String>) {
        self.newest_first.push_front((Timestamp::now(), what.into()));
        self.newest_first.truncate(LATELY);
    }

    /// Tells what is different.
    pub(crate) fn compare(&mut self, before: &Moment, now: &Moment) {
        for what in differences(before, now) {
            self.tell(what);
        }
    }

    /// As the page reads it.
    pub(super) fn newest_first(&self) -> Vec<Value> {
        self.newest_first.iter().map(|(at, what)| json!({"at": at, "what": what})).collect()
    }
}

fn differences(before: &Moment, now: &Moment) -> Vec<String> {
    let mut all = Vec::new();
    let of = |moment: &Moment, pointer: &str| moment.status.pointer(pointer).cloned().unwrap_or_default();
    let text = |pointer: &str| of(now, pointer).as_str().unwrap_or("nobody").to_owned();
    let is_new = |pointer: &str| of(before, pointer) != of(now, pointer);
    if is_new("/health/state") {
        all.push(format!("it is {} now", text("/health/state")));
    }
    for hub in ["primary", "secondary"] {
        let pointer = format!("/hubs/{hub}/reachable");
        if is_new(&pointer) {
            let answers = of(now, &pointer) == Value::Bool(true);
            all.push(format!("the {hub} {}", if answers { "answers" } else { "does not answer" }));
        }
    }
    let is_promoting = text("/record/phase") == "promoting";
    if is_new("/record/phase") && is_promoting {
        all.push("a promotion begins".to_owned());
    }
    // A promotion has its epoch before its hub is the active one.
    if ["epoch", "active", "phase"].iter().any(|name| is_new(&format!("/record/{name}"))) && !is_promoting {
        all.push(format!("epoch {}: the {} is active", of(now, "/record/epoch"), text("/record/active")));
    }
    if is_new("/record/standbyState") {
        all.push(format!("the standby is {}", text("/record/standbyState")));
    }
    if before.pending != now.pending {
        let counts: Vec<String> = now.pending.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
        all.push(format!("pending: {counts}"));
    }
    all.extend(moved(&before.devices, &now.devices));
    all
}

/// How many devices came to each hub, or are nowhere now.
fn moved(before: &BTreeMap<String, Option<String>>, now: &BTreeMap<String, Option<String>>) -> Vec<String> {
    let mut came: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for (id, hub) in now {
        if before.get(id).is_none_or(|was| was != hub) {
            *came.entry(hub.as_deref()).or_default() += 1;
        }
    }
    let devices = |count: usize| if count == 1 { "1 device".to_owned() } else { format!("{count} devices") };
    let told = |(hub, count): (Option<&str>, usize)| match hub {
        Some(hub) => format!("{} came to the {hub}", devices(count)),
        None => format!("{} lost the connection", devices(count)),
    };
    came.into_iter().map(told).collect()
}
