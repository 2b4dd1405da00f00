//! What clients wrote: every write from the moment it was sent, and what the hub said to it.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

/// The device that an identity is, or is a module of.
pub(crate) fn device_of(identity: &str) -> &str {
    identity.split_once('/').map_or(identity, |(device, _)| device)
}

/// What a write is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// Reported properties, written by the device.
    Reported,
    /// Desired properties, written by the back end.
    Desired,
    /// Tags, written by the back end.
    Tags,
    /// The identity itself: made or deleted.
    Registry,
}

impl Section {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 4] = [Self::Reported, Self::Desired, Self::Tags, Self::Registry];

    /// As the hubs and the loss reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Desired => "desired",
            Self::Tags => "tags",
            Self::Registry => "registry",
        }
    }
}

/// One field as a client set or removed it, or one identity as it was made or deleted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// Which device, or `device/module`.
    pub(crate) identity: String,
    /// What of it.
    pub(crate) section: Section,
    /// Names from the section down; empty for the registry.
    pub(crate) path: Vec<String>,
    /// What was set; nothing when it was removed with everything below it. The primary key of an identity that was
    /// made, nothing for one that was deleted.
    pub(crate) value: Option<Value>,
}

/// What became of a write, as far as the client knows. Times since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No answer: it may be there or not, now or later.
    Unanswered,
    /// The hub said yes.
    Accepted(Duration),
    /// The hub said no.
    Refused,
}

/// A change on its way to a hub.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    /// What was to change.
    pub(crate) change: Change,
    /// To which hub: 0 the primary, 1 the secondary.
    pub(crate) hub: usize,
    /// When it was sent.
    pub(crate) sent: Duration,
    /// What the hub said.
    pub(crate) outcome: Outcome,
}

/// Which writes of the ledger one request carries.
pub(crate) type Ticket = Range<usize>;

/// All writes of a run, shared by all clients.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    began: Instant,
    began_at: Timestamp,
    writes: Arc<Mutex<Vec<Write>>>,
}

impl Ledger {
    /// An empty one; its clock begins now.
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), began_at: Timestamp::now(), writes: Arc::default() }
    }

    /// Time since the run began.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The same of a moment that somebody else's clock names; nothing when it was before.
    pub(crate) fn moment(&self, at: Timestamp) -> Option<Duration> {
        at.duration_since(self.began_at).try_into().ok()
    }

    /// Before a request is sent: what it is to change, and where.
    pub(crate) fn sent(&self, changes: Vec<Change>, hub: usize) -> Ticket {
        let mut writes = self.lock();
        let (from, sent) = (writes.len(), self.now());
        let outcome = Outcome::Unanswered;
        writes.extend(changes.into_iter().map(|change| Write { change, hub, sent, outcome }));
        from..writes.len()
    }

    /// The hub said yes to it.
    pub(crate) fn accepted(&self, ticket: Ticket) {
        let at = self.now();
        self.answered(ticket, Outcome::Accepted(at));
    }

    /// The hub said no to it.
    pub(crate) fn refused(&self, ticket: Ticket) {
        self.answered(ticket, Outcome::Refused);
    }

    /// Everything that the hubs may hold: accepted or unanswered.
    pub(crate) fn close(&self) -> Vec<Write> {
        let writes = std::mem::take(&mut *self.lock());
        writes.into_iter().filter(|write| write.outcome != Outcome::Refused).collect()
    }

    fn answered(&self, ticket: Ticket, outcome: Outcome) {
        if let Some(writes) = self.lock().get_mut(ticket) {
            writes.iter_mut().for_each(|write| write.outcome = outcome);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
