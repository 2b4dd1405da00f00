//! What the records say.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use crate::stamp::Stamp;

/// One record.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record<'a> {
    /// How many partitions every event hub has.
    Partitions(u16),
    /// A hub and its policies' keys.
    Hub {
        /// Its name.
        #[serde(borrow)]
        hub: Cow<'a, str>,
        /// In any order.
        policies: Vec<PolicyKeys<'a>>,
    },
    /// A write: what it changed in a hub, and the events that it let arrive.
    Write {
        /// The hub's name; events that no write of a hub let arrive have none.
        #[serde(borrow)]
        hub: Cow<'a, str>,
        /// As the store encodes them.
        #[serde(with = "serde_bytes")]
        changes: Cow<'a, [u8]>,
        /// When the events arrived.
        at: Stamp,
        /// In this order.
        arrived: Vec<Arrived<'a>>,
    },
    /// Of a snapshot: an event that a partition has.
    #[serde(borrow)]
    Kept(Kept<'a>),
}

/// The keys of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyKeys<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    pub(crate) primary: Cow<'a, str>,
    pub(crate) secondary: Cow<'a, str>,
}

/// An event at the end of a partition. Sequence numbers and offsets follow from what is there already.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrived<'a> {
    #[serde(borrow)]
    pub(crate) event_hub: Cow<'a, str>,
    pub(crate) partition: usize,
    pub(crate) parts: Parts<'a>,
}

/// An event with its place.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept<'a> {
    pub(crate) sequence: u64,
    pub(crate) offset: u64,
    pub(crate) at: Stamp,
    #[serde(borrow)]
    pub(crate) event: Arrived<'a>,
}

/// Body, properties, system properties, partition key.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parts<'a>(
    #[serde(with = "serde_bytes")] pub(crate) &'a [u8],
    #[serde(with = "serde_bytes")] pub(crate) &'a [u8],
    #[serde(with = "serde_bytes")] pub(crate) &'a [u8],
    #[serde(with = "serde_bytes")] pub(crate) &'a [u8],
);

impl<'a> Parts<'a> {
    pub(crate) fn new([body, properties, system, key]: [&'a [u8]; 4]) -> Self {
        Self(body, properties, system, key)
    }

    pub(crate) fn array(&self) -> [&'a [u8]; 4] {
        [self.0, self.1, self.2, self.3]
    }
}

impl<'a> Record<'a> {
    /// As bytes.
    pub(crate) fn encode(&self) -> std::io::Result<Vec<u8>> {
        postcard::to_stdvec(self).map_err(std::io::Error::other)
    }

    /// From bytes.
    ///
    /// # Errors
    /// Why they are no record.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, String> {
        postcard::from_bytes(bytes).map_err(|error| error.to_string())
    }
}
