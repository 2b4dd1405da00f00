//! What leaves the hubs: Event Grid events and routed messages, in partitioned logs.

mod event;
mod event_hub;
mod log;
mod message;
mod publish;
mod rules;
mod serve;
mod trouble;
mod wording;

pub use event::Event;
pub use event_hub::{DEVICE_TWIN, EventHub, REGISTRY};
pub use log::{Bounds, Enqueued, Partition, Position};
pub use publish::Happened;
pub use rules::{Mode, Order, Rule};
pub use serve::serve;
pub use wording::{HubName, Wording};

use serde_json::{Map, Value, json};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::stamp::Stamp;
use crate::store::Id;
use rules::Rules;
use trouble::Trouble;

/// How much the logs keep together unless told otherwise, in MiB.
pub const RETENTION_MIB: u32 = 256;

/// An identity came or went.
#[derive(Debug, Clone, Copy)]
pub struct Lifecycle<'a> {
    /// The hub's name (not its host name).
    pub hub: &'a str,
    /// Whose.
    pub id: &'a Id,
    /// Created, else deleted.
    pub created: bool,
    /// The twin document as `GET /twins/…` gives it at that moment (before the deletion).
    pub twin: &'a Value,
    /// When.
    pub at: Stamp,
}

/// A twin was written.
#[derive(Debug, Clone, Copy)]
pub struct TwinChanged<'a> {
    /// The hub's name (not its host name).
    pub hub: &'a str,
    /// Whose.
    pub id: &'a Id,
    /// `replaceTwin`, else `updateTwin`.
    pub replaced: bool,
    /// The event's body as routed.
    pub body: &'a Value,
    /// When.
    pub at: Stamp,
}

/// A device connected or disconnected.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionChanged<'a> {
    /// The hub's name (not its host name).
    pub hub: &'a str,
    /// Whose.
    pub id: &'a Id,
    /// Connected, else disconnected.
    pub connected: bool,
    /// When.
    pub at: Stamp,
}

/// Takes the events of all hubs. Called under a hub's lock, in the order of the writes, and quick: an event is in its
/// partition when the call returns, unless a rule keeps it back.
#[derive(Debug)]
pub struct Emitter {
    hubs: [EventHub; 2],
    grown: Arc<watch::Sender<()>>,
    late: Notify,
    state: Mutex<State>,
    journal: OnceLock<Arc<Journal>>,
}

#[derive(Debug, Default)]
struct State {
    rules: Rules,
    trouble: Trouble,
    wording: Wording,
    round_robin: usize,
}

impl Emitter {
    /// Empty logs with so many partitions each and the usual retention.
    #[must_use]
    pub fn new(partitions: u16) -> Self {
        Self::with_retention(partitions, RETENTION_MIB)
    }

    /// Empty logs with so many partitions each, which keep so many MiB together.
    #[must_use]
    pub fn with_retention(partitions: u16, mebibytes: u32) -> Self {
        let all = usize::try_from(mebibytes).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
        let each = all / 2 / usize::from(partitions.max(1));
        let grown = Arc::new(watch::Sender::new(()));
        let hubs = [REGISTRY, DEVICE_TWIN].map(|name| EventHub::new(name, partitions, each, &grown));
        Self { hubs, grown, late: Notify::new(), state: Mutex::default(), journal: OnceLock::new() }
    }

    /// Changes with every event that arrives anywhere.
    #[must_use]
    pub fn grown(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a share of lasting trouble in percent, or its seed; `None` when there is nothing of that name.
    ///
    /// # Errors
    /// When the number is too large, or would reorder what a route keeps in order.
    pub fn set_trouble(&self, name: &str, number: u64) -> Option<Result<(), String>> {
        self.lock().trouble.set(name, number)
    }

    /// The shares of lasting trouble and their seed, by name.
    #[must_use]
    pub fn trouble(&self) -> Map<String, Value> {
        self.lock().trouble.to_json()
    }

    /// Lets go what is late, although too few events have overtaken it.
    pub fn let_go_late(&self) {
        let mut state = self.lock();
        let late = state.trouble.let_go().into_iter();
        self.arrive_anyway(late.map(|(at, event)| (REGISTRY.to_owned(), at, event)).collect());
    }

    /// The event hub of that name.
    #[must_use]
    pub fn event_hub(&self, name: &str) -> Option<&EventHub> {
        self.hubs.iter().find(|hub| hub.name == name)
    }

    /// All event hubs.
    #[must_use]
    pub fn event_hubs(&self) -> &[EventHub] {
        &self.hubs
    }

    /// From now on, so.
    pub fn rule(&self, rule: Rule) {
        self.lock().rules.add(rule);
    }

    /// No rules any more; what is kept back stays so until it is released.
    pub fn clear_rules(&self) {
        self.lock().rules.clear();
    }

    /// Lets go what was kept back; how many events that were. Rules that hold end with it. Events that the journal
    /// does not take are lost.
    pub fn release(&self, order: Order) -> usize {
        let mut state = self.lock();
        let held = state.rules.release(order);
        let count = held.len();
        self.arrive_anyway(held);
        count
    }

    /// How events are worded at present.
    #[must_use]
    pub fn wording(&self) -> Wording {
        self.lock().wording
    }

    /// Words later events so.
    pub fn set_wording(&self, wording: Wording) {
        self.lock().wording = wording;
    }

    /// Next sequence numbers by event hub and partition, and how many events are kept back.
    #[must_use]
    pub fn positions(&self) -> Value {
        let held = self.lock().rules.held();
        let hubs = self.hubs.iter().map(|hub| (hub.name.to_owned(), hub.positions()));
        json!({"delivered": true, "held": held, "position": Value::Object(hubs.collect())})
    }
}

/// How long an event may be late when too few others overtake it.
const LATEST: Duration = Duration::from_millis(250);

/// Lets go what is late, a moment after it became so, until `stop`.
pub async fn let_go_late(emitter: Arc<Emitter>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = emitter.late.notified() => {}
        }
        tokio::time::sleep(LATEST).await;
        emitter.let_go_late();
    }
}

/// The same partition for the same device at every start.
fn partition_of(device: &str) -> usize {
    // The default hasher's keys are fixed when it is made so.
    let mut hasher = std::hash::DefaultHasher::new();
    device.hash(&mut hasher);
    usize::try_from(hasher.finish() >> 1).unwrap_or_default()
}
