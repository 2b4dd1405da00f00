//! What a hub counts apart from each other.

use std::sync::atomic::{AtomicU64, Ordering};

/// The service's own classes of limits (documented: quotas and throttling).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationClass {
    /// PUT without a precondition, and creates in bulk, where every item counts.
    RegistryCreate,
    /// GET of one identity.
    RegistryRead,
    /// GET of a device's modules; counted with the statistics (inferred).
    RegistryList,
    /// PUT with a precondition.
    RegistryUpdate,
    /// DELETE.
    RegistryDelete,
    /// GET of twins.
    TwinRead,
    /// PATCH of twins.
    TwinWrite,
    /// Queries, page by page.
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
    /// GET of identities, and of a device's modules.
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

/// Counts calls.
#[derive(Debug, Default)]
pub(super) struct Counters {
    registry_reads: AtomicU64,
    registry_writes: AtomicU64,
    twin_reads: AtomicU64,
    twin_writes: AtomicU64,
    queries: AtomicU64,
    statistics: AtomicU64,
    reported_writes: AtomicU64,
}

impl Counters {
    /// One more request is sent.
    pub(super) fn count(&self, class: OperationClass) {
        self.counter(class).fetch_add(1, Ordering::Relaxed);
    }

    /// As they are now.
    pub(super) fn read(&self) -> CallCounts {
        let read = |class| self.counter(class).load(Ordering::Relaxed);
        CallCounts {
            registry_reads: read(OperationClass::RegistryRead),
            registry_writes: read(OperationClass::RegistryCreate),
            twin_reads: read(OperationClass::TwinRead),
            twin_writes: read(OperationClass::TwinWrite),
            queries: read(OperationClass::Query),
            statistics: read(OperationClass::Statistics),
            reported_writes: read(OperationClass::ReportedWrite),
        }
    }

    fn counter(&self, class: OperationClass) -> &AtomicU64 {
        use OperationClass::*;
        match class {
            RegistryRead | RegistryList => &self.registry_reads,
            RegistryCreate | RegistryUpdate | RegistryDelete => &self.registry_writes,
            TwinRead => &self.twin_reads,
            TwinWrite => &self.twin_writes,
            Query => &self.queries,
            Statistics => &self.statistics,
            ReportedWrite => &self.reported_writes,
        }
    }
}
