//! What the functions work with, made in the background so that the port is answered at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Clients, Config, NoClients};
use crate::fleet::Rejoin;
use crate::functions::hub_router::{Directory, HubRouter};
use crate::functions::registry_sync::registry_sync;
use crate::functions::twin_sync::twin_sync;
use crate::host::{EventBatch, Reply};
use crate::iothub::Deadline;
use crate::pending::{Pending, Retried};
use crate::reconcile::{Parts, Reconciler};
use crate::replication::Engine;
use crate::routing::{Duty, DutySettings, Routing, RoutingSettings};
use crate::storage::Container;

/// For what runs in the background to end by itself.
const ENDING: Duration = Duration::from_secs(3);

/// Everything behind the endpoints.
#[derive(Debug)]
pub(super) struct Machinery {
    config: Config,
    works: OnceCell<Works>,
    /// Answers that nothing is known, for as long as there are no works.
    alone: HubRouter,
    stop: CancellationToken,
    background: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Works {
    engine: Engine,
    router: HubRouter,
}

impl Machinery {
    pub(super) fn new(config: Config) -> Self {
        let alone = HubRouter::without_record(directory(&config));
        let (stop, background) = (CancellationToken::new(), Mutex::default());
        Self { config, works: OnceCell::new(), alone, stop, background }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Begins to make the works, without waiting for them.
    pub(super) fn warm_up(self: &Arc<Self>) {
        let machinery = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(why) = machinery.works().await {
                tracing::error!(%why, "neither hubs nor storage can be reached");
            }
        });
    }

    /// Ends what runs in the background: duties are given back, so that nobody waits for them.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let mut running = std::mem::take(&mut *self.running());
        let ended = async { while running.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(ENDING, ended).await;
    }

    fn running(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.background.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn registry_sync(&self, batch: EventBatch) -> Reply {
        let deadline = Deadline::after(self.config.invocation);
        match self.works_for_events().await {
            Ok(works) => registry_sync(&works.engine, batch, deadline).await,
            Err(why) => Reply::Hold(why),
        }
    }

    pub(super) async fn twin_sync(&self, batch: EventBatch) -> Reply {
        let deadline = Deadline::after(self.config.invocation);
        match self.works_for_events().await {
            Ok(works) => twin_sync(&works.engine, batch, deadline).await,
            Err(why) => Reply::Hold(why),
        }
    }

    pub(super) async fn hub_router(&self) -> &HubRouter {
        match self.works().await {
            Ok(works) => &works.router,
            Err(_) => &self.alone,
        }
    }

    /// Not while the settings do not say whose an event is: it would become a dead letter, and be acknowledged.
    async fn works_for_events(&self) -> Result<&Works, String> {
        match &self.config.events_held {
            Some(why) => Err(why.clone()),
            None => self.works().await,
        }
    }

    async fn works(&self) -> Result<&Works, String> {
        if let Some(works) = self.works.get() {
            return Ok(works);
        }
        self.works.get_or_try_init(|| self.make()).await
    }

    async fn make(&self) -> Result<Works, String> {
        let config = self.config.clone();
        // Reading the root certificates takes milliseconds.
        let made = tokio::task::spawn_blocking(move || Clients::new(&config)).await;
        match made {
            Ok(Ok(clients)) => Ok(self.assemble(clients)),
            Ok(Err(why @ NoClients::Network(_))) => Err(format!("the network: {why}")),
            Ok(Err(why)) => Err(why.to_string()),
            Err(_) => Err("making the clients failed".to_owned()),
        }
    }

    fn assemble(&self, clients: Clients) -> Works {
        let config = &self.config;
        let process = process();
        let settings =
            RoutingSettings { lease: config.lease, refresh: config.record_refresh, process: process.clone() };
        let (hubs, records) = (clients.hubs.clone(), clients.records.clone());
        let routing = Routing::new(clients.records, settings, Some(clients.hubs.clone()));
        self.running().spawn(routing.watcher.run(self.stop.clone()));
        let reconciler = Reconciler::new(Parts {
            primary: clients.hubs.primary,
            secondary: clients.hubs.secondary,
            leases: routing.leases,
            store: clients.store.clone(),
            max_in_flight: config.max_in_flight,
            deletes_per_hour: config.deletes_per_hour,
        });
        let pending = Pending::new(reconciler, config.router_valid);
        let engine = Engine::new(pending.clone());
        let rejoin = Rejoin::new(pending.clone(), records, hubs, config.router_valid, process.clone());
        self.pay_off(pending, clients.store.clone(), process.clone());
        self.end_rejoinings(rejoin, clients.store, process);
        Works { engine, router: HubRouter::new(routing.router, directory(config)) }
    }

    /// The duty `pending`: notes that are due are tried again. A run that was cut off goes on where it stopped.
    fn pay_off(&self, pending: Pending, store: Container, process: String) {
        let sweep = self.config.sweep;
        let duty = Duty::new(store, "pending", process, DutySettings { lease: self.config.lease });
        self.running().spawn(duty.run(self.stop.clone(), self.config.sweep_every, move |lease| {
            let pending = pending.clone();
            async move {
                let from = lease.cursor().as_str().map(str::to_owned);
                match pending.retry_due(from, Deadline::after(sweep)).await {
                    Ok((done, next)) => {
                        if done.tried > 0 {
                            let Retried { tried, resolved, still_pending } = done;
                            tracing::info!(tried, resolved, still_pending, "pending");
                        }
                        let _ = lease.save_cursor(next.map_or(Value::Null, Value::from)).await;
                    }
                    Err(why) => tracing::debug!(why, "nothing pending was tried"),
                }
            }
        }));
    }

    /// The duty `rejoin`: a former active hub comes back in sync when all that it said is on the active one.
    fn end_rejoinings(&self, rejoin: Rejoin, store: Container, process: String) {
        let (rejoin, sweep) = (Arc::new(rejoin), self.config.sweep);
        let duty = Duty::new(store, "rejoin", process, DutySettings { lease: self.config.lease });
        self.running().spawn(duty.run(self.stop.clone(), self.config.sweep_every, move |_| {
            let rejoin = Arc::clone(&rejoin);
            async move { rejoin.run(Deadline::after(sweep)).await }
        }));
    }
}

/// What this process calls itself in what it writes: `iot-hadr 17 on machine`.
fn process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("iot-hadr {} on {}", std::process::id(), host.trim())
}

fn directory(config: &Config) -> Directory {
    Directory {
        primary: config.primary.host_name.clone(),
        secondary: config.secondary.host_name.clone(),
        valid_for: config.router_valid,
    }
}
