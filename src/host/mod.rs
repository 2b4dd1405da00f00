//! The Functions host's custom-handler protocol; no IoT words.
//!
//! The host posts one invocation at a time per partition to `/<function folder>`, and takes a 2xx
//! with a JSON object for success. What it sends was observed (`tests/payloads/observed`), how it reads
//! answers was read in its source.

mod body;
mod endpoint;
mod event_body;
mod event_hub;
mod http_trigger;
mod invocation;
mod nested;
mod overwritten;
mod reply;
mod server;

use bytes::Bytes;
use jiff::Timestamp;

use crate::model::Object;

pub use body::{Intake, largest_batch};
pub use endpoint::{Endpoint, event_hub_function, http_function, not_a_function};
pub use http_trigger::{HttpCall, HttpOutput};
pub use invocation::{BadInvocation, Invocation};
pub use reply::Reply;
pub use server::{Ended, bind, serve};

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
