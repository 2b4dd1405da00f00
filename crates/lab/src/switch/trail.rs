//! The trail of devices: every event of them in both event hubs, in the order in which they came, so that a fault can be
//! followed from the hub's word to what became of it; and every loss report.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::ledger::Ledger;
use crate::error::LabError;
use crate::operator;
use crate::world::World;

/// The file, beside the logs.
const FILE: &str = "events.txt";
/// The loss reports, one a line.
const LOSSES: &str = "losses.txt";
/// Events asked for at once.
const PAGE: usize = 1_000;

/// Writes the loss reports to a file, and the events of these devices to another; none when there are no devices.
///
/// # Errors
/// When the event logs do not answer or the file cannot be written.
pub(super) async fn keep(world: &World, ledger: &Ledger, devices: &BTreeSet<String>) -> Result<(), LabError> {
    let losses = operator::losses(world).await?;
    let path = world.logs().join(LOSSES);
    std::fs::write(&path, losses.iter().map(|loss| format!("{loss}\n")).collect::<String>())
        .map_err(LabError::file(&path))?;
    if devices.is_empty() {
        return Ok(());
    }
    let mut events: Vec<(String, Timestamp, String)> = Vec::new();
    for (name, partition) in partitions(world).await? {
        let place = format!("{name}/{partition}");
        let all = events_of(world, &name, &partition).await?;
        events.extend(all.iter().filter_map(|event| told(event, &place, devices)));
    }
    events.sort();
    let mut text = String::new();
    for (device, at, event) in events {
        let seconds = ledger.moment(at).unwrap_or_default().as_secs_f64();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{device} {seconds:.3} {event}");
    }
    let path = world.logs().join(FILE);
    std::fs::write(&path, text).map_err(LabError::file(&path))
}

async fn partitions(world: &World) -> Result<Vec<(String, String)>, LabError> {
    let listing = get(world, "/eventhubs").await?;
    let hubs = listing.get("eventHubs").and_then(Value::as_array).into_iter().flatten();
    let of_hub = |hub: &Value| {
        let name = text(hub, "/name");
        let ids = hub.get("partitionIds").and_then(Value::as_array).cloned().unwrap_or_default();
        ids.into_iter()
            .filter_map(move |id| Some((name.clone(), id.as_str()?.to_owned())))
            .collect::<Vec<_>>()
    };
    Ok(hubs.flat_map(of_hub).collect())
}

async fn events_of(world: &World, name: &str, partition: &str) -> Result<Vec<Value>, LabError> {
    let mut all: Vec<Value> = Vec::new();
    let mut from = 0;
    loop {
        let path = format!("/eventhubs/{name}/partitions/{partition}/events?from={from}&max={PAGE}&waitMs=0");
        let page = get(world, &path).await?;
        let events = page.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        let Some(last) = events.last().and_then(|event| event.get("sequenceNumber")?.as_i64()) else {
            return Ok(all);
        };
        from = last + 1;
        all.extend(events);
    }
}

async fn get(world: &World, path: &str) -> Result<Value, LabError> {
    let answer = world.http().get(format!("{}{path}", world.event_logs()?)).send().await;
    let answer = answer.and_then(reqwest::Response::error_for_status).map_err(LabError::refused(path))?;
    answer.json().await.map_err(LabError::refused(path))
}

/// Its device, its time, and it in one line; nothing when it is of another device.
fn told(event: &Value, place: &str, devices: &BTreeSet<String>) -> Option<(String, Timestamp, String)> {
    let body = STANDARD.decode(text(event, "/body")).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    // Event Grid sends arrays of one.
    let grid = body.get(0).unwrap_or(&Value::Null);
    let ids = [text(event, "/systemProperties/iothub-connection-device-id"), text(grid, "/data/deviceId")];
    let device = ids.into_iter().find(|id| devices.contains(id))?;
    let at = text(event, "/enqueuedTimeUtc").parse().ok()?;
    let number = event.get("sequenceNumber").and_then(Value::as_i64).unwrap_or_default();
    let hub = [text(event, "/properties/hubName"), text(grid, "/data/hubName")].concat();
    let what = [text(event, "/properties/opType"), text(grid, "/eventType")].concat();
    Some((device, at, format!("{place}#{number} {hub} {what} {body}")))
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_told_in_one_line_when_its_device_is_in_question() {
        let devices = BTreeSet::from(["d".to_owned()]);
        let of = |properties: Value, system: Value, body: Value| {
            json!({"sequenceNumber":4,"enqueuedTimeUtc":"2026-01-01T00:00:00Z","properties":properties,
                "systemProperties":system,"body":STANDARD.encode(body.to_string())})
        };
        let routed = of(
            json!({"hubName":"primary","opType":"updateTwin"}),
            json!({"iothub-connection-device-id":"d"}),
            json!({"tags":{}}),
        );
        let line = told(&routed, "devicetwin/1", &devices).map(|(_, _, line)| line);
        assert_eq!(line, Some("devicetwin/1#4 primary updateTwin {\"tags\":{}}".to_owned()));
        let grid = |device: &str| {
            let body = json!([{"eventType":"created","data":{"deviceId":device,"hubName":"PRIMARY"}}]);
            of(json!({}), json!({}), body)
        };
        assert!(told(&grid("d"), "registry/0", &devices).is_some());
        assert!(told(&grid("other"), "registry/0", &devices).is_none());
    }
}
