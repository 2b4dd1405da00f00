//! What a hub counts and limits: every request passes here before it is sent.

use std::sync::atomic::{AtomicU64, Ordering};

/// The service's own classes of limits (documented: quotas and throttling).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationClass {
    /// GET of identities: 100 a minute and unit on S1.
    RegistryRead,
    /// PUT, DELETE and bulk of identities; a bulk request counts every item.
    RegistryWrite,
    /// GET of twins: 100 a second on S1.
    TwinRead,
    /// PATCH of twins: 50 a second on S1.
    TwinWrite,
    /// Queries: 20 a minute and unit on S1.
    Query,
    /// Statistics.
    Statistics,
    /// Reported properties, written as the device; counted with the twin updates (inferred), and each
    /// one is a new device connection.
    ReportedWrite,
}

/// Requests sent so far, attempts counted one by one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallCounts {
    /// GET of identities.
    pub registry_reads: u64,
    /// PUT and DELETE of identities, and bulk requests (one each).
    pub registry_writes: u64,
    /// GET of twins.
    pub twin_reads: u64,
    /// PATCH of twins.
    pub twin_writes: u64,
    /// Queries.
    pub queries: u64,
    /// Statistics.
    pub statistics: u64,
    /// Device sessions that wrote reported properties, or tried to.
    pub reported_writes: u64,
}

/// Counts calls, and is the place where they wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    registry_reads: AtomicU64,
    registry_writes: AtomicU64,
    twin_reads: AtomicU64,
    twin_writes: AtomicU64,
    queries: AtomicU64,
    statistics: AtomicU64,
    reported_writes: AtomicU64,
}

impl Throttle {
    /// Returns when a request of this class may be sent, which is at once: no limit is set yet.
    /// `items` is what the hub will count it as.
    pub(crate) async fn admit(&self, class: OperationClass, items: u32) {
        let _ = items;
        self.counter(class).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> CallCounts {
        let read = |class| self.counter(class).load(Ordering::Relaxed);
        CallCounts {
            registry_reads: read(OperationClass::RegistryRead),
            registry_writes: read(OperationClass::RegistryWrite),
            twin_reads: read(OperationClass::TwinRead),
            twin_writes: read(OperationClass::TwinWrite),
            queries: read(OperationClass::Query),
            statistics: read(OperationClass::Statistics),
            reported_writes: read(OperationClass::ReportedWrite),
        }
    }

    fn counter(&self, class: OperationClass) -> &AtomicU64 {
        match class {
            OperationClass::RegistryRead => &self.registry_reads,
            OperationClass::RegistryWrite => &self.registry_writes,
            OperationClass::TwinRead => &self.twin_reads,
            OperationClass::TwinWrite => &self.twin_writes,
            OperationClass::Query => &self.queries,
            OperationClass::Statistics => &self.statistics,
            OperationClass::ReportedWrite => &self.reported_writes,
        }
    }
}
