//! Proving that every partition has passed a moment.
//!
//! The app has no list of partitions: it knows those that its batches named. A mark on a probe's twin goes where the
//! probe's id is hashed to, so probes are made until each known partition is hit by one.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};

use crate::iothub::{Deadline, HubClient, HubError, HubErrorKind};
use crate::model::{DeviceId, IdentityId, PROBE_PREFIX};
use crate::routing::{HubRole, Marker, PartitionProgress, make_probe, progress};
use crate::storage::{Container, StorageError};

/// Probes for each known partition at first: one in seven partitions is then not hit.
const PROBES_EACH: usize = 2;

/// The most probes that are made.
const MOST_PROBES: usize = 512;

/// Probes for each known partition from which on one that no mark of either hub ever came through is not one of theirs.
const ENOUGH_EACH: usize = 16;

/// Probes written at a time.
const AT_ONCE: usize = 8;

/// A partition that has not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// `event hub/partition`.
    pub partition: String,
    /// The newest mark that passed.
    pub passed: Option<Timestamp>,
    /// When its newest event was applied.
    pub applied_at: Timestamp,
}

/// Marks on one hub's probes.
#[derive(Debug)]
pub struct Markers {
    hub: HubClient,
    role: HubRole,
    container: Container,
    probes: usize,
    /// Some of them were not marked: the hub's limits left no turn.
    is_short: bool,
}

impl Markers {
    /// On this hub; progress is read from `container`.
    pub fn new(hub: HubClient, role: HubRole, container: Container) -> Self {
        Self { hub, role, container, probes: 0, is_short: false }
    }

    /// Known partitions that a mark made at `since` or later has not passed yet, and how many there are in all.
    ///
    /// # Errors
    /// Storage.
    pub async fn behind(&self, since: Timestamp) -> Result<(Vec<Behind>, usize), StorageError> {
        let known = self.partitions().await?;
        let enough = self.probes >= (known.len() * ENOUGH_EACH).min(MOST_PROBES);
        // A mark of a clock that is ahead proves nothing of the time until then.
        let latest = Timestamp::now().saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        let has_passed = |one: &PartitionProgress| {
            one.markers.get(&self.role).is_some_and(|at| (since..=latest).contains(at))
        };
        let is_strange = |one: &PartitionProgress| enough && one.markers.is_empty();
        let behind = known.iter().filter(|one| !has_passed(one) && !is_strange(one)).map(|one| Behind {
            partition: format!("{}/{}", one.event_hub, one.partition),
            passed: one.markers.get(&self.role).copied(),
            applied_at: one.applied_at,
        });
        Ok((behind.collect(), known.len()))
    }

    /// The known partitions of event hubs that hubs route to.
    async fn partitions(&self) -> Result<Vec<PartitionProgress>, StorageError> {
        let mut known = match progress(&self.container).await {
            Err(StorageError::NoContainer) => Vec::new(),
            known => known?,
        };
        known.retain(|one| one.event_hub != REGISTRY);
        Ok(known)
    }

    /// Marks every probe, and makes more of them when some partitions are behind still.
    ///
    /// # Errors
    /// The first refusal of the hub.
    pub async fn mark(&mut self, partitions: usize, deadline: Deadline) -> Result<(), HubError> {
        let wanted = match self.probes {
            0 => partitions.max(1) * PROBES_EACH,
            probes if self.is_short => probes,
            probes => probes * 2,
        };
        let mut is_short = false;
        self.probes = wanted.clamp(1, MOST_PROBES);
        let (mut running, mut waiting) = (FuturesUnordered::new(), 1..=self.probes);
        loop {
            while running.len() < AT_ONCE
                && let Some(number) = waiting.next()
            {
                running.push(self.mark_one(number, deadline));
            }
            match running.next().await {
                Some(Err(error)) if error.kind == HubErrorKind::NoTurn => is_short = true,
                Some(marked) => marked?,
                None => break,
            }
        }
        drop(running);
        self.is_short = is_short;
        Ok(())
    }

    async fn mark_one(&self, number: usize, deadline: Deadline) -> Result<(), HubError> {
        let Ok(device) = format!("{PROBE_PREFIX}{number}").parse::<DeviceId>() else { return Ok(()) };
        mark_probe(&self.hub, &IdentityId::device(device), Timestamp::now, deadline).await
    }
}

/// Marks one probe, which is made if it is not there.
pub(super) async fn mark_probe(
    hub: &HubClient,
    id: &IdentityId,
    at: impl Fn() -> Timestamp,
    deadline: Deadline,
) -> Result<(), HubError> {
    for _ in 0..4 {
        let twin = match hub.twin(id, deadline).await {
            Err(error) if error.kind == HubErrorKind::Absent => {
                make_probe(hub, id, deadline).await?;
                continue;
            }
            twin => twin?,
        };
        match hub.patch_twin(id, &Marker::patch(at()), &twin.etag, deadline).await {
            Err(error) if matches!(error.kind, HubErrorKind::Stale | HubErrorKind::Absent) => {}
            marked => return marked.map(drop),
        }
    }
    // Somebody else keeps marking it, which does as well.
    Ok(())
}

/// A mark's clock may be ahead of the one that looks by so much.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// The event hub that Event Grid delivers to: hubs route nothing there.
pub const REGISTRY: &str = "registry";

/// The mark's own clock and that of who waits for it may differ by so much.
pub(super) const CLOCKS: SignedDuration = SignedDuration::from_secs(1);
