//! Two contenders, and a storage that goes away.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::routing::storage_double::{Shared, storage};

/// The margin that contenders wait beyond it is a second.
const LEASE: Duration = Duration::from_millis(300);
const EVERY: Duration = Duration::from_millis(5);
const SOON: Duration = Duration::from_secs(20);

struct Contender {
    stop: CancellationToken,
    rounds: mpsc::UnboundedReceiver<DutyLease>,
    running: tokio::task::JoinHandle<()>,
}

impl Contender {
    /// Says in each round what it holds, and counts the cursor up.
    fn start(container: &Container, name: &str) -> Self {
        let (stop, (said, rounds)) = (CancellationToken::new(), mpsc::unbounded_channel());
        let settings = DutySettings { lease: LEASE };
        let duty = Duty::new(container.clone(), "pending", name.to_owned(), settings);
        let running = duty.run(stop.clone(), EVERY, move |lease| {
            let said = said.clone();
            async move {
                let next = lease.cursor().as_u64().unwrap_or_default() + 1;
                if lease.save_cursor(json!(next)).await.is_ok() {
                    let _ = said.send(lease);
                }
            }
        });
        Self { stop, rounds, running: tokio::spawn(running) }
    }

    async fn works(&mut self) -> DutyLease {
        tokio::time::timeout(SOON, self.rounds.recv()).await.unwrap().unwrap()
    }

    fn is_idle(&mut self) -> bool {
        self.rounds.try_recv().is_err()
    }
}

async fn container() -> (Container, Shared) {
    let (account, blobs) = storage().await;
    (account.container("app"), blobs)
}

#[tokio::test]
async fn one_of_two_does_the_duty_and_the_other_goes_on_where_it_stopped() {
    let (container, _) = container().await;
    let mut one = Contender::start(&container, "one");
    let held = one.works().await;
    let mut other = Contender::start(&container, "other");
    for _ in 0..20 {
        one.works().await;
    }
    assert!(other.is_idle() && held.still_held());
    let done = held.cursor();
    one.stop.cancel();
    one.running.await.unwrap();
    let next = other.works().await;
    assert!(!held.still_held() && next.still_held());
    assert!(next.cursor().as_u64() > done.as_u64(), "{:?} after {done:?}", next.cursor());
}

#[tokio::test]
async fn a_holder_that_is_never_heard_of_again_is_followed_after_its_lease_and_a_margin() {
    let (container, _) = container().await;
    let mut one = Contender::start(&container, "one");
    one.works().await;
    one.running.abort();
    let died = BootTime::now();
    let mut other = Contender::start(&container, "other");
    assert!(other.works().await.still_held());
    assert!(BootTime::now().since(died) >= LEASE, "it had the time that it was given");
}

#[tokio::test]
async fn the_duty_rests_while_storage_is_away_and_is_taken_up_again() {
    let (container, blobs) = container().await;
    let mut one = Contender::start(&container, "one");
    let held = one.works().await;
    blobs.lock().unwrap().away = true;
    let rest = async {
        while held.still_held() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, rest).await.unwrap();
    while !one.is_idle() {}
    assert_eq!(held.save_cursor(json!("too late")).await, Err(NotSaved::NotHeld));
    assert!(held.ends().is_over());
    blobs.lock().unwrap().away = false;
    assert!(one.works().await.still_held());
}

#[tokio::test]
async fn work_is_dropped_when_the_lease_ends_also_while_storage_hangs() {
    let (container, blobs) = container().await;
    let (stop, worked) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let (held, mut taken) = mpsc::unbounded_channel();
    let duty = Duty::new(container, "pending", "one".to_owned(), DutySettings { lease: LEASE });
    let counted = Arc::clone(&worked);
    let running = tokio::spawn(duty.run(stop.clone(), EVERY, move |lease| {
        let (held, counted) = (held.clone(), Arc::clone(&counted));
        async move {
            let _ = held.send(lease.clone());
            loop {
                counted.fetch_add(usize::from(!lease.still_held()), Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }));
    let lease = taken.recv().await.unwrap();
    blobs.lock().unwrap().silent = true;
    while lease.still_held() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(LEASE).await;
    let late = worked.load(Ordering::SeqCst);
    assert!(late <= 10, "{late} rounds of 10 ms after the end");
    stop.cancel();
    tokio::time::timeout(SOON, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_was_lost_neither_ends_the_duty_nor_loses_the_cursor() {
    let (container, blobs) = container().await;
    let duty = Duty::new(container, "pending", "one".to_owned(), DutySettings { lease: SOON });
    let held = { duty }.take().await.unwrap().unwrap();
    blobs.lock().unwrap().lost = 1;
    held.save_cursor(json!({"at": 7})).await.unwrap();
    assert_eq!(held.cursor(), json!({"at": 7}));
    held.save_cursor(json!({"at": 8})).await.unwrap();
}

#[tokio::test]
async fn work_that_panics_is_begun_anew() {
    let (container, _) = container().await;
    let rounds = Arc::new(AtomicUsize::new(0));
    let (stop, counted) = (CancellationToken::new(), Arc::clone(&rounds));
    let duty = Duty::new(container, "pending", "one".to_owned(), DutySettings { lease: SOON });
    let until = stop.clone();
    let work = move |_: DutyLease| {
        if counted.fetch_add(1, Ordering::SeqCst) == 2 {
            until.cancel();
        }
        async { assert!(counted_is_fine(), "as if something were wrong") }
    };
    tokio::time::timeout(SOON, duty.run(stop, EVERY, work)).await.unwrap();
    assert!(rounds.load(Ordering::SeqCst) >= 3);
}

fn counted_is_fine() -> bool {
    false
}

#[tokio::test]
async fn a_document_that_cannot_be_read_keeps_nobody_from_the_duty_for_ever() {
    let (container, blobs) = container().await;
    blobs.lock().unwrap().blobs.insert("/a/app/duties/pending.json".to_owned(), (7, "nonsense".into()));
    let mut one = Contender::start(&container, "one");
    assert_eq!(one.works().await.cursor(), json!(1));
}
