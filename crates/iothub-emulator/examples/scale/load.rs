//! What is asked of the hub.

use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::Client;
use super::emulator::Emulator;

/// Most devices of one bulk call.
const BULK: u64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    Patch,
}

/// How requests went: their number, the time of all together, and of each in microseconds, sorted.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) took: Duration,
    latencies: Vec<u32>,
    /// Processor time of the emulator and of the client.
    pub(crate) processors: [Duration; 2],
}

impl Run {
    /// Processor time of one request, in microseconds: of the emulator and of the client.
    pub(crate) fn costs(&self) -> [f64; 2] {
        self.processors.map(|time| time.as_secs_f64() * 1e6 / self.latencies.len().max(1) as f64)
    }

    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// In milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        f64::from(self.latencies.get(at).copied().unwrap_or_default()) / 1000.0
    }
}

/// Creates devices `0..devices`; gives how long that took.
pub(crate) async fn fill(hub: &mut [Client], devices: u64) -> Duration {
    let begun = Instant::now();
    let next = &AtomicU64::new(0);
    join_all(hub.iter_mut().map(|client| async move {
        loop {
            let first = next.fetch_add(BULK, Ordering::Relaxed);
            if first >= devices {
                return;
            }
            let items: Vec<Value> = (first..devices.min(first + BULK)).map(device).collect();
            client.send(Method::POST, "/devices", Value::Array(items).to_string()).await;
        }
    }))
    .await;
    begun.elapsed()
}

fn id(device: u64) -> String {
    format!("device-{device:07}")
}

/// A device whose tags and properties have 1 KB as JSON.
fn device(n: u64) -> Value {
    let properties = |prefix: &str| -> Value {
        let one = |at: u64| (format!("{prefix}{at}"), json!(format!("{n:010}-{at:024}")));
        Value::Object((0..9).map(one).collect())
    };
    json!({"id": id(n), "importMode": "create", "tags": {"site": format!("site-{}", n % 100), "line": n % 10},
        "properties": {"desired": properties("desired"), "reported": properties("reported")}})
}

/// Sends requests of a kind over every connection for so long, about devices all over the hub.
pub(crate) async fn run(
    emulator: &Emulator,
    hub: &mut [Client],
    devices: u64,
    kind: Kind,
    time: Duration,
) -> Run {
    let (begun, before) = (Instant::now(), emulator.processors());
    let each = join_all(hub.iter_mut().enumerate().map(|(at, client)| async move {
        let mut latencies = Vec::new();
        // Odd steps all over the ids: neither the same device twice in a row nor neighbours.
        let mut n = at as u64;
        while begun.elapsed() < time {
            n = (n + 982_451_653) % devices.max(1);
            let asked = Instant::now();
            one(client, kind, n).await;
            latencies.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        latencies
    }))
    .await;
    let mut latencies = each.concat();
    latencies.sort_unstable();
    let (took, after) = (begun.elapsed(), emulator.processors());
    let used = |at: fn([Duration; 2]) -> Duration| at(after).saturating_sub(at(before));
    Run { took, latencies, processors: [used(|[emulator, _]| emulator), used(|[_, client]| client)] }
}

async fn one(client: &mut Client, kind: Kind, n: u64) {
    let path = format!("/twins/{}", id(n));
    match kind {
        Kind::Get => client.send(Method::GET, &path, "").await,
        Kind::Patch => {
            client.send(Method::PATCH, &path, r#"{"properties":{"desired":{"desired3":"changed"}}}"#).await
        }
    };
}

/// A count of all devices, as a query.
pub(crate) struct Counted {
    pub(crate) devices: u64,
    pub(crate) took: Duration,
}

pub(crate) async fn count(hub: &mut [Client]) -> Counted {
    let begun = Instant::now();
    let query = json!({"query": "SELECT COUNT() AS n FROM devices WHERE tags.line >= 0"}).to_string();
    let answer = hub.first_mut().unwrap().send(Method::POST, "/devices/query", query).await;
    let rows: Value = serde_json::from_slice(&answer).unwrap();
    Counted { devices: rows.pointer("/0/n").unwrap().as_u64().unwrap(), took: begun.elapsed() }
}
