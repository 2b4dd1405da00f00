//! What the functions work with, made in the background so that the port is answered at once.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::config::{Clients, Config, NoClients};
use crate::functions::fleet_sweep::fleet_sweep;
use crate::functions::hub_router::{Directory, HubRouter};
use crate::functions::registry_sync::registry_sync;
use crate::functions::twin_sync::twin_sync;
use crate::host::{EventBatch, Reply};
use crate::iothub::Deadline;
use crate::replication::{Engine, Parts};
use crate::routing::{Routing, RoutingSettings};

/// Everything behind the endpoints.
#[derive(Debug)]
pub(super) struct Machinery {
    config: Config,
    works: OnceCell<Works>,
    /// Answers the configured primary, for as long as there are no works.
    alone: HubRouter,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Works {
    engine: Engine,
    router: HubRouter,
}

impl Machinery {
    pub(super) fn new(config: Config) -> Self {
        let alone = HubRouter::without_record(directory(&config));
        Self { config, works: OnceCell::new(), alone, stop: CancellationToken::new() }
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

    /// Ends what runs in the background.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn registry_sync(&self, batch: EventBatch) -> Reply {
        let deadline = Deadline::after(self.config.invocation);
        match self.works().await {
            Ok(works) => registry_sync(&works.engine, batch, deadline).await,
            Err(why) => Reply::Hold(why),
        }
    }

    pub(super) async fn twin_sync(&self, batch: EventBatch) -> Reply {
        let deadline = Deadline::after(self.config.invocation);
        match self.works().await {
            Ok(works) => twin_sync(&works.engine, batch, deadline).await,
            Err(why) => Reply::Hold(why),
        }
    }

    pub(super) async fn fleet_sweep(&self) -> Reply {
        let deadline = Deadline::after(self.config.sweep);
        match self.works().await {
            Ok(works) => fleet_sweep(&works.engine, deadline).await,
            Err(why) => Reply::Hold(why),
        }
    }

    pub(super) async fn hub_router(&self) -> &HubRouter {
        match self.works().await {
            Ok(works) => &works.router,
            Err(_) => &self.alone,
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
        let settings = RoutingSettings {
            lease: config.lease,
            refresh: config.record_refresh,
            process: format!("iot-hadr {}", std::process::id()),
        };
        let routing = Routing::new(clients.records, settings, Some(clients.hubs.clone()));
        tokio::spawn(routing.watcher.run(self.stop.clone()));
        let engine = Engine::new(Parts {
            primary: clients.hubs.primary,
            secondary: clients.hubs.secondary,
            authority: routing.leases,
            store: clients.store,
            max_in_flight: config.max_in_flight,
            deletes_per_hour: config.deletes_per_hour,
        });
        Works { engine, router: HubRouter::new(routing.router, directory(config)) }
    }
}

fn directory(config: &Config) -> Directory {
    Directory {
        primary: config.primary.host_name.clone(),
        secondary: config.secondary.host_name.clone(),
        valid_for: config.router_valid,
    }
}
