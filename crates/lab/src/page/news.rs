//! What came to pass between two moments.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Moment;

/// What is different now.
pub(crate) fn news(before: &Moment, now: &Moment) -> Vec<String> {
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
