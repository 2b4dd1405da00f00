//! The right to write: held for a lease after reading a steady record, renewed by reading again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::knowledge::{Knowledge, ReadTimes};
use super::write_lease::{NoLease, WriteLease};
use crate::iothub::BootTime;
use crate::routing::assignment::Assignment;
use crate::routing::store::{RecordError, RecordStore, Stored};

/// For one read of the record: a part of the lease, so that another may be tried before it ends.
const READ: Duration = Duration::from_secs(5);

/// Holds and renews the write lease of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LeaseKeeper(pub(in crate::routing) Arc<Desk>);

impl LeaseKeeper {
    /// For a process without a watcher, such as a command: reads when it is asked.
    pub fn new(store: RecordStore) -> Self {
        Self(Arc::new(Desk::new(store)))
    }

    /// A write lease that lasts at least `at_least` more, or half of the record's lease when that is
    /// shorter, renewed by a read when needed. When the read gives no answer, what is left of the
    /// last lease is given.
    pub async fn acquire(&self, at_least: Duration) -> Result<WriteLease, NoLease> {
        if let Some(lease) = self.0.lasting(at_least) {
            return Ok(lease);
        }
        let _one_at_a_time = self.0.reading.lock().await;
        if let Some(lease) = self.0.lasting(at_least) {
            return Ok(lease);
        }
        // What it failed with is remembered: it is the reason given when nothing is left.
        let _ = self.0.read().await;
        self.0.lease()
    }
}

/// Knowledge of one process, and the only place that adds to it.
#[derive(Debug)]
pub(in crate::routing) struct Desk {
    pub(in crate::routing) store: RecordStore,
    knowledge: Mutex<Knowledge>,
    reading: tokio::sync::Mutex<()>,
    witnessed: Mutex<bool>,
    view: watch::Sender<Option<Assignment>>,
}

impl Desk {
    pub(in crate::routing) fn new(store: RecordStore) -> Self {
        let knowledge = Knowledge::new();
        let view = watch::Sender::new(knowledge.assignment());
        Self {
            store,
            knowledge: Mutex::new(knowledge),
            reading: tokio::sync::Mutex::new(()),
            witnessed: Mutex::new(false),
            view,
        }
    }

    pub(in crate::routing) fn view(&self) -> watch::Receiver<Option<Assignment>> {
        self.view.subscribe()
    }

    pub(in crate::routing) fn knowledge(&self) -> MutexGuard<'_, Knowledge> {
        self.knowledge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads once and learns from it; what was read.
    pub(in crate::routing) async fn refresh(&self) -> Result<Option<Stored>, RecordError> {
        let _one_at_a_time = self.reading.lock().await;
        self.read().await
    }

    async fn read(&self) -> Result<Option<Stored>, RecordError> {
        let started = BootTime::now();
        let both = async { tokio::join!(self.compare_with_witness(), self.store.read()) };
        let answer = match tokio::time::timeout(READ, both).await {
            Ok((Ok(()), answer)) => answer,
            Ok((Err(error), _)) => Err(error),
            Err(_) => {
                Err(RecordError::Unavailable(format!("storage gave no answer in {} s", READ.as_secs())))
            }
        };
        let times = ReadTimes { started, answered: BootTime::now() };
        let other_hubs =
            answer.as_ref().ok().and_then(Option::as_ref).and_then(|s| self.store.other_hubs(&s.record));
        let assignment = {
            let mut knowledge = self.knowledge();
            match &answer {
                Ok(Some(stored)) if other_hubs.is_none() => knowledge.learn(stored, times),
                Ok(Some(_)) => knowledge.learn_other_hubs(other_hubs.clone().unwrap_or_default()),
                Ok(None) => knowledge.learn_absence(),
                Err(error) => knowledge.learn_nothing(error.to_string()),
            }
            knowledge.assignment()
        };
        self.view.send_if_modified(|shown| std::mem::replace(shown, assignment) != assignment);
        match other_hubs {
            Some(why) => Err(RecordError::Refused(why)),
            None => answer,
        }
    }

    /// Once per process, before the first lease.
    async fn compare_with_witness(&self) -> Result<(), RecordError> {
        if *self.witnessed.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(());
        }
        if let Some(witness) = self.store.witness().await? {
            self.knowledge().learn_epoch(witness.epoch);
        }
        *self.witnessed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        Ok(())
    }

    fn lasting(&self, at_least: Duration) -> Option<WriteLease> {
        let knowledge = self.knowledge();
        let now = BootTime::now();
        let (lease, record) = knowledge.lease(now).ok()?;
        let wanted = at_least.min(record.lease() / 2);
        lease.remaining(now).filter(|left| *left >= wanted)?;
        WriteLease::under(lease, record)
    }

    fn lease(&self) -> Result<WriteLease, NoLease> {
        let knowledge = self.knowledge();
        let (lease, record) = knowledge.lease(BootTime::now())?;
        WriteLease::under(lease, record)
            .ok_or_else(|| NoLease::Unavailable("the lease has just ended".to_owned()))
    }
}
