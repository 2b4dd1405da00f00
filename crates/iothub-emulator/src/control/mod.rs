//! The port from which tests cause trouble and look inside.

mod fault;
mod memory;
mod serve;
mod switches;
mod verdict;

pub use fault::Fault;
pub use memory::RequestRecord;
pub use serve::{ControlPort, serve};
pub use verdict::{Planned, Verdict};

use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

use fault::Faults;
use memory::Memory;

use crate::throttle::{Demand, Flat, Refused, Throttles};

/// How a hub is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outage {
    /// It is not.
    #[default]
    Off,
    /// Connections are closed at accept, and those that are open at once.
    Refuse,
    /// Requests are never answered.
    Hang,
    /// 503 to every request.
    Unavailable,
}

/// A write that waits to be applied.
type HeldWrite = Box<dyn FnOnce() + Send>;

/// Trouble and memory of one hub.
#[derive(Default)]
pub struct HubControl {
    outage: watch::Sender<Outage>,
    state: Mutex<State>,
    connections: Arc<Connections>,
    devices: Arc<Connections>,
    throttles: Throttles,
}

#[derive(Default)]
struct State {
    latency: Duration,
    throttle: Option<Flat>,
    faults: Faults,
    memory: Memory,
    held: Vec<HeldWrite>,
}

impl State {
    fn admit(&mut self, method: &str, path: &str) -> (Duration, Verdict) {
        if let Some(struck) = self.faults.strike(method, path) {
            return struck;
        }
        let throttled = self.throttle.as_mut().is_some_and(Flat::refuses);
        (Duration::ZERO, if throttled { Verdict::answer(429) } else { Verdict::Proceed })
    }
}

impl fmt::Debug for HubControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubControl").field("outage", &*self.outage.borrow()).finish_non_exhaustive()
    }
}

impl HubControl {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits out latency and delays, counts throttles, and says what is to happen with a request.
    pub async fn verdict(&self, method: &str, path: &str) -> Verdict {
        let outage = *self.outage.borrow();
        let (latency, delay, verdict) = {
            let mut state = self.lock();
            // Faults and throttles count only what reaches the hub.
            let (delay, verdict) = match outage {
                Outage::Hang => (Duration::ZERO, Verdict::Hang),
                Outage::Refuse => (Duration::ZERO, Verdict::Drop),
                Outage::Unavailable => (Duration::ZERO, Verdict::answer(503)),
                Outage::Off => state.admit(method, path),
            };
            (state.latency, delay, verdict)
        };
        let wait = latency + delay;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        verdict
    }

    /// The throttles of the hub's tier.
    #[must_use]
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// Waits for the turn of a request among the hub's throttles, if the hub gets to see it.
    ///
    /// # Errors
    /// As [`Throttles::admit`].
    pub async fn turn(
        &self,
        verdict: &Verdict,
        demands: &[Demand],
        backlog: Duration,
    ) -> Result<(), Refused> {
        if verdict.reaches_the_hub() { self.throttles.admit(demands, backlog).await } else { Ok(()) }
    }

    /// Whether new connections are closed at accept, and existing ones with them.
    #[must_use]
    pub fn refusing(&self) -> bool {
        *self.outage.borrow() == Outage::Refuse
    }

    /// Resolves when connections that are open must be closed (the hub begins to refuse).
    pub async fn begins_refusing(&self) {
        let mut outage = self.outage.subscribe();
        if outage.wait_for(|outage| *outage == Outage::Refuse).await.is_err() {
            std::future::pending().await
        }
    }

    /// Keeps a write back until it is released.
    pub fn hold(&self, write: Box<dyn FnOnce() + Send>) {
        self.lock().held.push(write);
    }

    /// Applies what was held, in order; how many writes that were.
    pub fn release(&self) -> usize {
        let held = std::mem::take(&mut self.lock().held);
        let count = held.len();
        // Without the lock: a write may emit events and be remembered.
        held.into_iter().for_each(|write| write());
        count
    }

    /// Remembers a request.
    pub fn record(&self, record: RequestRecord) {
        self.lock().memory.record(record);
    }

    /// Counts a TLS connection of the service API for as long as the guard lives.
    #[must_use]
    pub fn connection(&self) -> ConnectionGuard {
        Connections::enter(&self.connections)
    }

    /// Counts a TLS connection of the device protocol for as long as the guard lives.
    #[must_use]
    pub fn device_connection(&self) -> ConnectionGuard {
        Connections::enter(&self.devices)
    }

    /// The connections of the service API, and those of the device protocol as `mqtt`.
    fn counted(&self) -> Value {
        let mut all = self.connections.to_json();
        if let Value::Object(all) = &mut all {
            all.insert("mqtt".to_owned(), self.devices.to_json());
        }
        all
    }
}

#[derive(Debug, Default)]
struct Connections {
    open: AtomicU64,
    opened: AtomicU64,
    peak: AtomicU64,
}

impl Connections {
    fn enter(connections: &Arc<Self>) -> ConnectionGuard {
        let open = connections.open.fetch_add(1, Ordering::Relaxed) + 1;
        connections.opened.fetch_add(1, Ordering::Relaxed);
        connections.peak.fetch_max(open, Ordering::Relaxed);
        ConnectionGuard { connections: Arc::clone(connections) }
    }

    fn to_json(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({"open": read(&self.open), "opened": read(&self.opened), "peakOpen": read(&self.peak)})
    }
}

/// One open TLS connection.
#[derive(Debug)]
pub struct ConnectionGuard {
    connections: Arc<Connections>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
    }
}
