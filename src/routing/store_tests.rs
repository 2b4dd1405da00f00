//! Compare-and-swap against a storage whose answers get lost.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::record::{Promotion, PromotionKind, RoutingRecord, begin_promotion};
use super::storage_double::{self, Shared};
use super::store::{RecordError, RecordStore};
use super::{HubNames, HubRole, InitRequest, LeaseKeeper, NoLease, authorship, first_start, init};
use crate::routing::Genesis;
use crate::storage::Account;

async fn storage() -> (RecordStore, Shared) {
    let (account, blobs) = storage_double::storage().await;
    (RecordStore::new(&account, "app", names("one.example", "two.example")), blobs)
}

fn names(primary: &str, secondary: &str) -> HubNames {
    HubNames { primary: primary.to_owned(), secondary: secondary.to_owned() }
}

fn request(lease: Duration) -> InitRequest {
    InitRequest { lease, active: None, hubs_replaced: false, by: "operator".to_owned() }
}

fn genesis() -> RoutingRecord {
    RoutingRecord::genesis(1, HubRole::Primary, Duration::from_secs(15), authorship("test", "first"))
}

fn promoting(record: &RoutingRecord) -> RoutingRecord {
    let promotion = Promotion { to: HubRole::Secondary, kind: PromotionKind::Planned };
    begin_promotion(record, promotion, authorship("test", "promote")).unwrap()
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised_by_its_nonce() {
    let (store, blobs) = storage().await;
    let first = store.create(genesis()).await.unwrap();
    blobs.lock().unwrap().lost = 1;
    let next = promoting(&first.record);
    let stored = store.replace(next.clone(), &first.etag).await.unwrap();
    assert_eq!(stored.record, next);
    assert_eq!(blobs.lock().unwrap().writes, 2, "applied once");
}

#[tokio::test]
async fn a_decision_on_a_record_that_has_changed_is_dropped() {
    let (store, _) = storage().await;
    let first = store.create(genesis()).await.unwrap();
    store.replace(promoting(&first.record), &first.etag).await.unwrap();
    assert_eq!(store.replace(promoting(&first.record), &first.etag).await, Err(RecordError::Lost));
    assert_eq!(store.create(genesis()).await, Err(RecordError::Lost));
}

#[tokio::test]
async fn a_first_start_makes_epoch_1_once_and_a_lost_record_only_init_makes_again() {
    let (store, blobs) = storage().await;
    let lease = Duration::from_secs(15);
    let (one, other) = tokio::join!(first_start(&store, lease, "one"), first_start(&store, lease, "other"));
    let made = [one.unwrap(), other.unwrap()];
    assert_eq!(made.iter().filter(|genesis| matches!(genesis, Genesis::Created(_))).count(), 1);
    let keeper = LeaseKeeper::new(store.clone());
    assert_eq!(keeper.acquire(Duration::ZERO).await.unwrap().epoch, 1);
    blobs.lock().unwrap().blobs.retain(|path, _| !path.contains("routing-record"));
    assert!(matches!(first_start(&store, lease, "third").await, Ok(Genesis::NeedsInit(_))));
    let fresh = LeaseKeeper::new(store.clone());
    assert_eq!(fresh.acquire(Duration::ZERO).await.err(), Some(NoLease::NoRecord));
    let Ok(Genesis::Created(again)) = init(&store, &request(lease)).await else { unreachable!() };
    assert_eq!((again.record.epoch, again.record.active), (2, HubRole::Primary));
    assert_eq!(fresh.acquire(Duration::ZERO).await.unwrap().epoch, 2);
}

/// The same storage, with these hubs in the settings.
fn storage_for(account: &Account, primary: &str, secondary: &str) -> RecordStore {
    RecordStore::new(account, "app", names(primary, secondary))
}

#[tokio::test]
async fn a_record_about_other_hubs_gives_no_lease_until_init_is_told_that_a_hub_was_replaced() {
    let (account, _) = storage_double::storage().await;
    let lease = Duration::from_secs(15);
    let ours = storage_for(&account, "one.example", "two.example");
    assert!(matches!(init(&ours, &request(lease)).await, Ok(Genesis::Created(_))));
    let other_case = LeaseKeeper::new(storage_for(&account, "ONE.example", "Two.example"));
    assert_eq!(other_case.acquire(Duration::ZERO).await.unwrap().epoch, 1);
    let told = InitRequest { hubs_replaced: true, ..request(lease) };
    let swapped = storage_for(&account, "two.example", "one.example");
    let refused = LeaseKeeper::new(swapped.clone()).acquire(Duration::ZERO).await;
    assert!(matches!(refused, Err(NoLease::OtherHubs(why)) if why.contains("swapped")));
    assert!(matches!(init(&swapped, &told).await, Ok(Genesis::OtherHubs(_))), "never a replacement");
    let strange = storage_for(&account, "one.example", "three.example");
    assert!(matches!(init(&strange, &request(lease)).await, Ok(Genesis::OtherHubs(_))));
    let Ok(Genesis::Renamed { stored, before }) = init(&strange, &told).await else { unreachable!() };
    assert_eq!(before, Some(names("one.example", "two.example")));
    assert_eq!((stored.record.epoch, stored.record.hubs), (1, Some(names("one.example", "three.example"))));
    assert!(LeaseKeeper::new(strange).acquire(Duration::ZERO).await.is_ok());
    assert!(LeaseKeeper::new(ours).acquire(Duration::ZERO).await.is_err(), "the settings of before");
}

#[tokio::test]
async fn a_record_that_does_not_know_its_hubs_learns_them_at_the_next_init() {
    let (store, _) = storage().await;
    store.create(genesis()).await.unwrap();
    assert!(LeaseKeeper::new(store.clone()).acquire(Duration::ZERO).await.is_ok());
    let lease = Duration::from_secs(15);
    let Ok(Genesis::Renamed { stored, before: None }) = init(&store, &request(lease)).await else {
        unreachable!()
    };
    assert_eq!(stored.record.hubs.as_ref(), Some(store.configured()));
    assert!(matches!(init(&store, &request(lease)).await, Ok(Genesis::Exists(_))));
}

#[tokio::test]
async fn a_record_that_was_lost_is_not_made_again_with_swapped_settings() {
    let (account, blobs) = storage_double::storage().await;
    let lease = Duration::from_secs(15);
    let ours = storage_for(&account, "one.example", "two.example");
    assert!(matches!(init(&ours, &request(lease)).await, Ok(Genesis::Created(_))));
    blobs.lock().unwrap().blobs.retain(|path, _| !path.contains("routing-record"));
    let swapped = storage_for(&account, "two.example", "one.example");
    assert!(matches!(init(&swapped, &request(lease)).await, Ok(Genesis::OtherHubs(_))));
    assert!(matches!(init(&ours, &request(lease)).await, Ok(Genesis::Created(_))));
}
