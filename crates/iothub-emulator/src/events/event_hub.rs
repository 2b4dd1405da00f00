//! An event hub: a name and its partitions.

use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

use super::log::Partition;
use crate::stamp::Stamp;

/// Event Grid's event hub.
pub const REGISTRY: &str = "registry";

/// The routes' event hub.
pub const DEVICE_TWIN: &str = "devicetwin";

/// An event hub.
#[derive(Debug)]
pub struct EventHub {
    /// `registry` or `devicetwin`.
    pub name: &'static str,
    /// When it was made.
    pub created: Stamp,
    /// By partition id.
    pub partitions: Vec<Partition>,
}

impl EventHub {
    /// Empty; every partition keeps so many bytes and tells of its growth.
    #[must_use]
    pub fn new(
        name: &'static str,
        partitions: u16,
        retention: usize,
        grown: &Arc<watch::Sender<()>>,
    ) -> Self {
        let partitions = (0..partitions).map(|_| Partition::new(retention, Arc::clone(grown))).collect();
        Self { name, created: Stamp::now(), partitions }
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
