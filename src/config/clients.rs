//! What the settings lead to: both hubs and storage, as clients.

use std::fmt;

use super::Config;
use crate::iothub::{BadConnectionString, HubClient, HubSettings, Limits, Network, NetworkError, Tier};
use crate::routing::{HubNames, Hubs, RecordStore};
use crate::storage::{Account, Container, InvalidConnectionString};

/// Clients of everything outside. Making them reads the root certificates and connects to nothing.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Both hubs.
    pub hubs: Hubs,
    /// The storage account.
    pub account: Account,
    /// The app's container.
    pub store: Container,
    /// The routing record and its witness.
    pub records: RecordStore,
}

/// Why there are no clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoClients {
    /// TLS or the network.
    Network(NetworkError),
    /// A hub's settings.
    Hub(BadConnectionString),
    /// The storage account's settings.
    Storage(InvalidConnectionString),
}

impl fmt::Display for NoClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(why) => write!(f, "{why}"),
            Self::Hub(why) => write!(f, "{why}"),
            Self::Storage(why) => write!(f, "AzureWebJobsStorage {why}"),
        }
    }
}

impl std::error::Error for NoClients {}

impl Clients {
    /// Blocks for some milliseconds. Needs a default TLS provider to be installed in the process.
    pub fn new(config: &Config) -> Result<Self, NoClients> {
        let network = Network::new().map_err(NoClients::Network)?;
        let hub = |settings: &HubSettings, tier: Option<Tier>| {
            let limits = Limits {
                concurrent_requests: config.max_in_flight,
                device_sessions: config.mqtt_sessions,
                tier,
                left_to_owner: config.left_to_owner,
                ..Limits::default()
            };
            HubClient::new(settings.clone(), &network, limits).map_err(NoClients::Hub)
        };
        let account = Account::from_connection_string(config.storage.expose()).map_err(NoClients::Storage)?;
        let names = HubNames {
            primary: config.primary.host_name.clone(),
            secondary: config.secondary.host_name.clone(),
        };
        Ok(Self {
            hubs: Hubs {
                primary: hub(&config.primary, config.primary_tier)?,
                secondary: hub(&config.secondary, config.secondary_tier)?,
            },
            store: account.container(&config.container),
            records: RecordStore::new(&account, &config.container, names),
            account,
        })
    }
}
