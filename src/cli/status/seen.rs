//! What is seen of both hubs and of storage.

use std::time::Duration;

use jiff::Timestamp;

use crate::cli::context::Context;
use crate::cli::listing::or_nothing;
use crate::cli::output::COUNTED;
use crate::cli::rejoin::Progress;
use crate::iothub::{Deadline, HubError, Statistics};
use crate::pending::{Entry, PendingStore, strays};
use crate::replication::{UnknownHub, unknown_hubs};
use crate::routing::{self, DutyHolder, HubRole, PartitionProgress, RecordError, Stored, margin};

/// For a hub to answer.
const HUB_ANSWERS: Duration = Duration::from_secs(5);
/// Where notes go that cannot be read.
pub(super) const UNREADABLE: &str = "unreadable/";

/// What was seen.
pub(super) struct Status {
    pub(super) hubs: [(HubRole, String, Result<Counts, HubError>); 2],
    /// What storage has; the hubs are shown without it, too.
    pub(super) kept: Result<Kept, RecordError>,
}

/// What a hub counts.
pub(super) struct Counts {
    pub(super) registry: Statistics,
    /// Devices that are connected; none when the hub does not say.
    pub(super) connected: Option<u64>,
}

/// What is in storage.
pub(super) struct Kept {
    pub(super) record: Option<Stored>,
    pub(super) rejoining: Option<Progress>,
    pub(super) pending: usize,
    /// Blobs among the notes that are none.
    pub(super) strays: usize,
    /// Notes that could not be read.
    pub(super) unreadable: usize,
    pub(super) dead_letters: usize,
    pub(super) partitions: Vec<PartitionProgress>,
    pub(super) duties: Vec<DutyHolder>,
    /// Which setting is about another hub than the record.
    pub(super) other_hubs: Option<String>,
    /// Hubs that events name, and that are neither of the two.
    pub(super) unknown_hubs: Vec<UnknownHub>,
}

pub(super) async fn look(context: &Context) -> Status {
    let (primary, secondary, kept) =
        tokio::join!(hub(context, HubRole::Primary), hub(context, HubRole::Secondary), kept(context));
    Status { hubs: [primary, secondary], kept }
}

async fn kept(context: &Context) -> Result<Kept, RecordError> {
    let (record, pending, strays, unreadable, dead_letters, unknown, partitions, duties) = tokio::join!(
        context.clients.records.read(),
        pending(context),
        strays(&context.clients.store, COUNTED),
        count(context, UNREADABLE),
        count(context, "dead-letters/"),
        unknown(context),
        progress(context),
        duties(context),
    );
    let record = record?;
    let other_hubs = record.as_ref().and_then(|stored| context.clients.records.other_hubs(&stored.record));
    let rejoining = match &record {
        Some(stored) => Progress::look(context, &stored.record).await?,
        None => None,
    };
    Ok(Kept {
        record,
        rejoining,
        pending: pending?,
        strays: or_nothing(strays)?.len(),
        unreadable: unreadable?,
        dead_letters: dead_letters?,
        partitions: partitions?,
        duties: duties?,
        other_hubs,
        unknown_hubs: unknown?,
    })
}

async fn hub(context: &Context, role: HubRole) -> (HubRole, String, Result<Counts, HubError>) {
    let hub = context.clients.hubs.get(role);
    let deadline = Deadline::after(HUB_ANSWERS);
    // One after the other: both are of one limit of the hub, and the second is the less important one.
    let counts = match hub.statistics(deadline).await {
        Ok(registry) => Ok(Counts { registry, connected: hub.connected_devices(deadline).await.ok() }),
        Err(error) => Err(error),
    };
    (role, hub.settings().host_name.clone(), counts)
}

async fn count(context: &Context, prefix: &str) -> Result<usize, RecordError> {
    Ok(or_nothing(context.clients.store.list(prefix, COUNTED).await)?.len())
}

async fn pending(context: &Context) -> Result<usize, RecordError> {
    Ok(or_nothing(PendingStore::new(context.clients.store.clone()).count(COUNTED, Entry::is_trouble).await)?)
}

async fn unknown(context: &Context) -> Result<Vec<UnknownHub>, RecordError> {
    let (config, store) = (&context.config, &context.clients.store);
    Ok(or_nothing(unknown_hubs(store, &config.primary, &config.secondary, Timestamp::now()).await)?)
}

async fn duties(context: &Context) -> Result<Vec<DutyHolder>, RecordError> {
    Ok(or_nothing(routing::duties(&context.clients.store).await)?)
}

async fn progress(context: &Context) -> Result<Vec<PartitionProgress>, RecordError> {
    Ok(or_nothing(routing::progress(&context.clients.store).await)?)
}

/// Whether nobody has it, or who has it says nothing any more.
pub(in crate::cli) fn is_silent(duty: &DutyHolder, now: Timestamp) -> bool {
    let lease = Duration::try_from_secs_f64(duty.lease_seconds).unwrap_or_default();
    let silent = Duration::try_from(now.duration_since(duty.renewed_at)).unwrap_or_default();
    duty.holder.is_none() || silent > lease + margin(lease)
}
