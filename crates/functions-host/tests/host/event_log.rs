//! Two partitions of one event hub, over HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

#[derive(Clone)]
pub(crate) struct EventLog {
    partitions: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    appended: Arc<watch::Sender<u64>>,
    /// The largest `from` asked for so far, by partition.
    asked: Arc<watch::Sender<BTreeMap<String, usize>>>,
}

impl EventLog {
    /// Serves the log and says where.
    pub(crate) async fn serve() -> (Self, String) {
        let partitions = ["0", "1"].map(|id| (id.to_owned(), Vec::new()));
        let log = Self {
            partitions: Arc::new(Mutex::new(partitions.into())),
            appended: Arc::new(watch::Sender::new(0)),
            asked: Arc::new(watch::Sender::new(BTreeMap::new())),
        };
        let listing = json!({"eventHubs": [{"name": "devicetwin", "partitionIds": ["0", "1"]}]});
        let router = Router::new()
            .route("/eventhubs", get(|| async { Json(listing) }))
            .route("/eventhubs/devicetwin/partitions/{id}/events", get(events))
            .with_state(log.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (log, url)
    }

    /// Appends this many events to a partition.
    pub(crate) fn append(&self, partition: &str, count: usize) {
        {
            let mut partitions = self.partitions.lock().unwrap();
            let events = partitions.get_mut(partition).unwrap();
            for _ in 0..count {
                let number = events.len();
                let body = base64::engine::general_purpose::STANDARD.encode(format!(r#"{{"n":{number}}}"#));
                events.push(json!({
                    "sequenceNumber": number,
                    "offset": (number * 100).to_string(),
                    "enqueuedTimeUtc": "2026-11-24T01:02:03.456Z",
                    "partitionKey": null,
                    "body": body,
                    "properties": {"hubName": "contoso"},
                    "systemProperties": {"user-id": "contoso"},
                }));
            }
        }
        self.appended.send_modify(|count| *count += 1);
    }

    /// Waits until somebody asked for events from this sequence number on.
    pub(crate) async fn asked_from(&self, partition: &str, from: usize) {
        let mut asked = self.asked.subscribe();
        let reached = asked.wait_for(|asked| asked.get(partition).is_some_and(|reached| *reached >= from));
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("the log is asked").unwrap();
    }

    fn page(&self, partition: &str, from: usize, max: usize) -> (usize, Vec<Value>) {
        let partitions = self.partitions.lock().unwrap();
        let events = &partitions[partition];
        (events.len(), events.iter().skip(from).take(max).cloned().collect())
    }
}

async fn events(
    State(log): State<EventLog>,
    Path(partition): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    let number = |name: &str| -> usize { query[name].parse().unwrap() };
    let (from, max) = (number("from"), number("max"));
    let deadline = Instant::now() + Duration::from_millis(number("waitMs") as u64);
    log.asked.send_modify(|asked| {
        let reached = asked.entry(partition.clone()).or_default();
        *reached = from.max(*reached);
    });
    let mut appended = log.appended.subscribe();
    loop {
        let (length, events) = log.page(&partition, from, max);
        if !events.is_empty() || timeout_at(deadline, appended.changed()).await.is_err() {
            let last = length as i64 - 1;
            return Json(json!({"beginningSequenceNumber": 0, "lastSequenceNumber": last, "events": events}));
        }
    }
}
