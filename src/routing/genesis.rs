//! The first record, and the one that follows a record that was lost.

use std::time::Duration;

use super::authorship::authorship;
use super::record::{
    Authorship, Diverged, HubNames, HubRole, RoutingRecord, StandbyState, Witness, margin, name_hubs,
};
use super::store::{RecordError, RecordStore, Stored};

/// What making a record came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Genesis {
    /// There is one now that was not there.
    Created(Stored),
    /// There was one already.
    Exists(Stored),
    /// There was one already, which is about the configured hubs now and was about others, or did not
    /// know its hubs.
    Renamed {
        /// As it is now.
        stored: Stored,
        /// Which hubs it was about.
        before: Option<HubNames>,
    },
    /// It is, or was, about other hubs than the settings; in words.
    OtherHubs(String),
    /// A record was there once and is gone: only `init` may make another.
    NeedsInit(Witness),
}

/// What is asked of [`init`].
#[derive(Debug, Clone)]
pub struct InitRequest {
    /// How long a write lease lasts, for a record that is made here.
    pub lease: Duration,
    /// After a loss: which hub is active; otherwise the last one known.
    pub active: Option<HubRole>,
    /// A hub was really replaced: the record shall be about the configured hubs.
    pub hubs_replaced: bool,
    /// Who asks.
    pub by: String,
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
/// has run out, unless it is certain that they all said the same direction. Unless that is certain,
/// the other hub is rejoining.
pub async fn init(store: &RecordStore, request: &InitRequest) -> Result<Genesis, RecordError> {
    let InitRequest { lease, active, ref by, .. } = *request;
    if let Some(stored) = store.read().await? {
        return name(store, stored, request).await;
    }
    let first = Witness::first(active.unwrap_or(HubRole::Primary));
    let witness = store.witness_that(first, |_| {}).await?;
    if !witness.has_history() {
        let record = RoutingRecord::genesis(1, witness.active, lease, authorship(by, "init"));
        return create(store, record).await;
    }
    if let Some(why) = witness.hubs.as_ref().and_then(|known| refused(known, store, request)) {
        return Ok(Genesis::OtherHubs(why));
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

/// Gives a record that is there the names of the configured hubs, where that is wanted.
async fn name(store: &RecordStore, stored: Stored, request: &InitRequest) -> Result<Genesis, RecordError> {
    let before = stored.record.hubs.clone();
    if before.as_ref() == Some(store.configured()) {
        return Ok(Genesis::Exists(stored));
    }
    if let Some(why) = before.as_ref().and_then(|known| refused(known, store, request)) {
        return Ok(Genesis::OtherHubs(why));
    }
    let reason = if before.is_some() { "a hub was replaced" } else { "the hubs' names" };
    let named = name_hubs(&stored.record, store.configured().clone(), authorship(&request.by, reason))
        .map_err(|error| RecordError::Refused(error.to_string()))?;
    let stored = store.replace(named, &stored.etag).await?;
    confirm(store, &stored.record).await?;
    Ok(Genesis::Renamed { stored, before })
}

/// Why the configured hubs are not taken for those that are known. Swapped ones never are.
fn refused(known: &HubNames, store: &RecordStore, request: &InitRequest) -> Option<String> {
    let configured = store.configured();
    let why = known.differences(configured)?;
    (!request.hubs_replaced || known.swapped_from(configured)).then_some(why)
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
    let record = RoutingRecord { hubs: Some(store.configured().clone()), ..record };
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
