//! Partitioned logs, in memory, that readers follow by long polling.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::stamp::Stamp;

/// One event as it stands in a partition. Properties are kept as JSON text: a log holds hundreds of thousands.
#[derive(Debug, Clone)]
pub struct Event {
    /// The body.
    pub body: Bytes,
    /// Application properties, an object as JSON text.
    pub properties: Box<str>,
    /// System properties, an object as JSON text.
    pub system: Box<str>,
}

impl Event {
    /// An event with these properties.
    #[must_use]
    pub fn new(body: Bytes, properties: &Map<String, Value>, system: &Map<String, Value>) -> Self {
        let text = |members: &Map<String, Value>| {
            serde_json::to_string(members).unwrap_or_else(|_| "{}".to_owned()).into_boxed_str()
        };
        Self { body, properties: text(properties), system: text(system) }
    }
}

#[derive(Debug, Clone)]
struct Enqueued {
    event: Event,
    offset: u64,
    at: Stamp,
}

/// One partition: append-only, sequence numbers dense from 0.
#[derive(Debug)]
pub struct Partition {
    events: Mutex<Vec<Enqueued>>,
    length: watch::Sender<u64>,
}

impl Default for Partition {
    fn default() -> Self {
        Self { events: Mutex::default(), length: watch::Sender::new(0) }
    }
}

impl Partition {
    fn lock(&self) -> MutexGuard<'_, Vec<Enqueued>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequence number that the next event gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        *self.length.borrow()
    }

    /// Appends; gives the sequence number.
    pub fn append(&self, event: Event) -> u64 {
        let mut events = self.lock();
        let offset = events.last().map_or(0, |last| {
            // Offsets grow by the size of what is stored, as a real partition's do.
            let size = last.event.body.len() + last.event.properties.len() + last.event.system.len();
            last.offset + u64::try_from(size).unwrap_or_default() + 64
        });
        events.push(Enqueued { event, offset, at: Stamp::now() });
        let length = u64::try_from(events.len()).unwrap_or(u64::MAX);
        // Under the lock, so that the length never goes back.
        self.length.send_replace(length);
        length - 1
    }

    /// At most `max` events from `from` on; waits up to `wait` for the first one.
    pub async fn read(&self, from: u64, max: usize, wait: Duration) -> Value {
        let mut length = self.length.subscribe();
        let arrived = length.wait_for(|length| *length > from);
        // At once: what the wait gives holds the length locked, which a writer waits for with the events locked.
        drop(tokio::time::timeout(wait, arrived).await);
        let events = self.lock();
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let page = events.iter().enumerate().skip(skip).take(max);
        let page: Vec<Value> = page.map(|(sequence, enqueued)| enqueued.to_json(sequence)).collect();
        let last = i64::try_from(events.len()).unwrap_or(i64::MAX) - 1;
        json!({"beginningSequenceNumber": 0, "lastSequenceNumber": last, "events": page})
    }
}

impl Enqueued {
    fn to_json(&self, sequence: usize) -> Value {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        json!({
            "sequenceNumber": sequence,
            "offset": self.offset.to_string(),
            "enqueuedTimeUtc": format!("{:.3}", self.at.timestamp()),
            "partitionKey": null,
            "body": STANDARD.encode(&self.event.body),
            "properties": parsed(&self.event.properties),
            "systemProperties": parsed(&self.event.system),
        })
    }
}

/// An event hub: a name and its partitions.
#[derive(Debug)]
pub struct EventHub {
    /// `registry` or `devicetwin`.
    pub name: &'static str,
    /// By partition id.
    pub partitions: Vec<Partition>,
}

impl EventHub {
    /// Empty.
    #[must_use]
    pub fn new(name: &'static str, partitions: u16) -> Self {
        Self { name, partitions: (0..partitions).map(|_| Partition::default()).collect() }
    }

    /// Partition ids.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        (0..self.partitions.len()).map(|id| id.to_string()).collect()
    }

    /// The partition of that id.
    #[must_use]
    pub fn partition(&self, id: &str) -> Option<&Partition> {
        self.partitions.get(id.parse::<usize>().ok()?)
    }

    /// Next sequence numbers by partition id.
    #[must_use]
    pub fn positions(&self) -> Value {
        let next = self
            .partitions
            .iter()
            .enumerate()
            .map(|(id, partition)| (id.to_string(), partition.next().into()));
        Value::Object(next.collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn readers_and_writers_of_a_partition_never_wait_for_each_other() {
        let partition = Arc::new(Partition::default());
        let none = Map::new();
        let writer = Arc::clone(&partition);
        let writing = tokio::task::spawn_blocking(move || {
            for _ in 0..20_000 {
                writer.append(Event::new(Bytes::new(), &none, &none));
            }
        });
        let readers = [(); 3].map(|()| {
            let partition = Arc::clone(&partition);
            tokio::spawn(async move {
                let mut from = 0;
                while from < 20_000 {
                    let page = partition.read(from, 10_000, Duration::from_secs(1)).await;
                    from += page["events"].as_array().unwrap().len() as u64;
                }
            })
        });
        let all = async {
            writing.await.unwrap();
            for reader in readers {
                reader.await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.unwrap();
    }
}
