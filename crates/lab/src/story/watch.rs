//! Looking on: counters while things happen, and checks that they came true.

use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::LabError;
use crate::hubs::Hub;
use crate::terminal::Line;
use crate::world::World;

/// How often counters are read while something is awaited.
const EVERY: Duration = Duration::from_millis(150);
/// How long something may take to come true.
const WITHIN: Duration = Duration::from_secs(45);
/// What the app makes for itself.
const PROBES: &str = "hadr-probe-";

/// Every identity of a hub as the emulator itself sees it, probes left out.
pub(crate) async fn identities(world: &World, hub: &Hub) -> Result<Vec<Value>, LabError> {
    let state = world.emulator("GET", &format!("/hubs/{}/state", hub.name), None).await?;
    let Value::Array(entries) = state else {
        return Err(LabError::Refused("state".to_owned(), "not a list".to_owned()));
    };
    let probe = |entry: &Value| {
        let id = entry.pointer("/identity/deviceId").and_then(Value::as_str);
        id.is_some_and(|id| id.starts_with(PROBES))
    };
    Ok(entries.into_iter().filter(|entry| !probe(entry)).collect())
}

/// How many identities of a hub match.
pub(crate) async fn count(
    world: &World,
    hub: &Hub,
    matches: impl Fn(&Value) -> bool,
) -> Result<usize, LabError> {
    Ok(identities(world, hub).await?.iter().filter(|entry| matches(entry)).count())
}

/// Does `work` while showing `counters` every moment.
pub(crate) async fn showing<T>(
    line: &mut Line,
    work: impl Future<Output = Result<T, LabError>>,
    mut counters: impl AsyncFnMut() -> Result<String, LabError>,
) -> Result<T, LabError> {
    tokio::pin!(work);
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => line.show(&counters().await?),
        }
    }
}

/// Reads `counters` until they are both `wanted`, showing them.
///
/// # Errors
/// When they do not become so in time; the last ones are named.
pub(crate) async fn until(
    line: &mut Line,
    what: &str,
    wanted: usize,
    mut counter: impl AsyncFnMut() -> Result<usize, LabError>,
) -> Result<(), LabError> {
    let deadline = Instant::now() + WITHIN;
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let now = counter().await?;
        line.show(&format!("{now} of {wanted} {what}"));
        if now == wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(LabError::Late(format!("{now} of {wanted} {what}")));
        }
    }
}

/// Is everything `part` says also in `whole`?
pub(crate) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|found| contains(found, value)))
        }
        (whole, part) => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_is_contained_wherever_its_members_are() {
        let whole = json!({"twin":{"tags":{"a":1,"b":2},"list":[1]}});
        assert!(contains(&whole, &json!({"twin":{"tags":{"b":2}}})));
        assert!(!contains(&whole, &json!({"twin":{"tags":{"b":3}}})));
        assert!(!contains(&whole, &json!({"twin":{"tags":{"c":null}}})));
        assert!(!contains(&whole, &json!({"twin":{"list":[]}})));
    }
}
