//! The Functions host's custom-handler protocol; no IoT words.

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::Object;

/// One event of an event hub partition.
#[derive(Debug, Clone)]
pub struct EventRecord {
    /// The body, as it came (lossless with `dataType: binary`).
    pub body: Bytes,
    /// Application properties.
    pub properties: Object,
    /// System properties.
    pub system: Object,
    /// Dense per partition; `None` where the host gives none (admin invocation).
    pub sequence_number: Option<i64>,
    /// When it was enqueued.
    pub enqueued: Option<Timestamp>,
}

/// A batch of one partition, in order.
#[derive(Debug, Clone)]
pub struct EventBatch {
    /// Event hub name; empty when the host does not say.
    pub event_hub: String,
    /// Partition id; empty when the host does not say.
    pub partition: String,
    /// Consumer group.
    pub consumer_group: String,
    /// The events.
    pub records: Vec<EventRecord>,
    /// Attempt, from 0.
    pub retry_count: u32,
}

/// What a function answers to the host.
#[derive(Debug, Clone)]
pub enum Reply {
    /// 200 with `{}` and these log lines.
    Done(Vec<String>),
    /// 503: the host retries the batch.
    Hold(String),
}
