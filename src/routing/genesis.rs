//! The first record, and the one that follows a record that was lost.

use std::time::Duration;

use super::authorship;
use super::diverged::Diverged;
use super::lease::margin;
use super::record::{Authorship, RoutingRecord};
use super::role::{HubRole, StandbyState};
use super::store::{RecordError, RecordStore, Stored};
use super::witness::Witness;

/// What making a record came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Genesis {
    /// There is one now that was not there.
    Created(Stored),
    /// There was one already.
    Exists(Stored),
    /// A record was there once and is gone: only `init` may make another.
    NeedsInit(Witness),
}

/// What a first start does when it finds no record: epoch 1 with the primary active, but only if
/// the witness is not there either.
pub async fn first_start(store: &RecordStore, lease: Duration, by: &str) -> Result<Genesis, RecordError> {
    let witness = store.witness_that(Witness::first(HubRole::Primary), |_| {}).await?;
    if witness.has_history() {
        return match store.read().await? {
            Some(stored) => Ok(Genesis::Exists(stored)),
            None => Ok(Genesis::NeedsInit(witness)),
        };
    }
    create(store, RoutingRecord::genesis(1, witness.active, lease, authorship(by, "first start"))).await
}

/// What `iot-hadr init` does: makes the record if there is none. After a loss it takes an epoch
/// that nobody has used, with the roles that the witness remembers. It first waits until every lease
/// has run out, unless it is certain that they all said the same direction. With another hub as
/// `active` than the one remembered, that other hub is rejoining.
pub async fn init(
    store: &RecordStore,
    lease: Duration,
    active: Option<HubRole>,
    by: &str,
) -> Result<Genesis, RecordError> {
    if let Some(stored) = store.read().await? {
        return Ok(Genesis::Exists(stored));
    }
    let first = Witness::first(active.unwrap_or(HubRole::Primary));
    let witness = store.witness_that(first, |_| {}).await?;
    if !witness.has_history() {
        let record = RoutingRecord::genesis(1, witness.active, lease, authorship(by, "init"));
        return create(store, record).await;
    }
    let active = active.unwrap_or(witness.active);
    if !witness.is_certain_of(active) {
        let longest = lease.max(Duration::from_secs(u64::from(witness.lease_seconds)));
        tokio::time::sleep(longest + margin(longest)).await;
    }
    let witness = store.witness_that(witness, |_| {}).await?;
    let epoch = witness.next_epoch();
    store.witness_that(witness.clone(), |witness| witness.reserve(epoch)).await?;
    create(store, after_loss(&witness, epoch, active, lease, authorship(by, "init after a loss"))).await
}

/// What follows a record that was lost. When it is not certain which hub was active last, both may
/// have been, one after the other.
pub(super) fn after_loss(
    witness: &Witness,
    epoch: u64,
    active: HubRole,
    lease: Duration,
    authorship: Authorship,
) -> RoutingRecord {
    let at = authorship.at;
    let record = RoutingRecord::genesis(epoch, active, lease, authorship);
    if witness.is_certain_of(active) {
        let Witness { standby_state, cut, diverged, .. } = *witness;
        return RoutingRecord { standby_state, cut, diverged, ..record };
    }
    let parted = Diverged { epoch, origin: witness.active, since: at };
    RoutingRecord {
        standby_state: StandbyState::Rejoining,
        cut: Some(at),
        diverged: Some(witness.diverged.unwrap_or(parted)),
        ..record
    }
}

async fn create(store: &RecordStore, record: RoutingRecord) -> Result<Genesis, RecordError> {
    store.ensure_containers().await?;
    match store.create(record).await {
        Ok(stored) => {
            confirm(store, &stored.record).await?;
            Ok(Genesis::Created(stored))
        }
        Err(RecordError::Lost) => match store.read().await? {
            Some(stored) => Ok(Genesis::Exists(stored)),
            None => Err(RecordError::Lost),
        },
        Err(error) => Err(error),
    }
}

/// Tells the witness what the record says.
pub async fn confirm(store: &RecordStore, record: &RoutingRecord) -> Result<Witness, RecordError> {
    store.witness_that(Witness::first(record.active), |witness| witness.confirm(record)).await
}

/// Remembers that both hubs have the probe identity.
pub async fn remember_probes(store: &RecordStore, active: HubRole) -> Result<(), RecordError> {
    store.witness_that(Witness::first(active), |witness| witness.probes_made = true).await.map(|_| ())
}
