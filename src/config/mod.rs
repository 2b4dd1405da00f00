//! The app's settings out of the environment; all that is wrong with them is said at once.

mod bad_settings;
mod clients;
mod reader;
pub mod settings;

use std::time::Duration;

pub use bad_settings::{BadSetting, BadSettings};
pub use clients::{Clients, NoClients};
pub use reader::Environment;
use reader::Reader;

use crate::iothub::{HubSettings, Tier};
use crate::model::Secret;

/// The settings, valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// `iothub1`, with its name and its port.
    pub primary: HubSettings,
    /// `iothub2`, with its name and its port.
    pub secondary: HubSettings,
    /// `AzureWebJobsStorage`.
    pub storage: Secret,
    /// Blob container of the app.
    pub container: String,
    /// Requests in flight to each hub.
    pub max_in_flight: usize,
    /// Device sessions to each hub.
    pub mqtt_sessions: usize,
    /// The primary hub's tier.
    pub primary_tier: Option<Tier>,
    /// The secondary hub's tier.
    pub secondary_tier: Option<Tier>,
    /// The part of the active hub's limits that is left to its owner.
    pub left_to_owner: f64,
    /// How long a write lease lasts after a read of the record, and a duty after a write of its holder.
    pub lease: Duration,
    /// How often the routing record is read.
    pub record_refresh: Duration,
    /// How long a device may keep an answer.
    pub router_valid: Duration,
    /// Deletes in any hour, by all instances together.
    pub deletes_per_hour: usize,
    /// How long a batch is worked on.
    pub invocation: Duration,
    /// How long one run of the pending duty works.
    pub sweep: Duration,
    /// How long the pending duty pauses after a run.
    pub sweep_every: Duration,
    /// How long work in flight may go on after a signal.
    pub shutdown: Duration,
    /// A filter of log lines, valid.
    pub log: String,
}

impl Config {
    /// Reads the settings. An empty one counts as not set.
    pub fn read(environment: &Environment) -> Result<Self, BadSettings> {
        let mut reader = Reader::new(environment);
        let primary = reader.hub(&settings::HUB1, &settings::HUB1_NAME, &settings::HUB1_MQTT_PORT);
        let secondary = reader.hub(&settings::HUB2, &settings::HUB2_NAME, &settings::HUB2_MQTT_PORT);
        if let (Some(primary), Some(secondary)) = (&primary, &secondary) {
            reader.two_hubs(primary, secondary);
        }
        let storage = reader.storage();
        let numbers = Numbers::read(&mut reader);
        let (container, log) = (reader.container(), reader.log());
        match (primary, secondary, storage, reader.into_bad()) {
            (Some(primary), Some(secondary), Some(storage), bad) if bad.is_empty() => {
                Ok(numbers.with(primary, secondary, storage, container, log))
            }
            (.., bad) => Err(BadSettings(bad)),
        }
    }
}

struct Numbers {
    max_in_flight: usize,
    mqtt_sessions: usize,
    tiers: [Option<Tier>; 2],
    left_to_owner: f64,
    lease: Duration,
    record_refresh: Duration,
    router_valid: Duration,
    deletes_per_hour: usize,
    invocation: Duration,
    sweep: Duration,
    sweep_every: Duration,
    shutdown: Duration,
}

impl Numbers {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            max_in_flight: reader.count(&settings::MAX_IN_FLIGHT),
            mqtt_sessions: reader.count(&settings::MQTT_SESSIONS),
            tiers: [reader.tier(&settings::HUB1_TIER), reader.tier(&settings::HUB2_TIER)],
            left_to_owner: reader.part(&settings::LEFT_TO_OWNER),
            lease: reader.seconds(&settings::LEASE),
            record_refresh: reader.seconds(&settings::RECORD_REFRESH),
            router_valid: reader.seconds(&settings::ROUTER_VALID),
            deletes_per_hour: reader.count(&settings::DELETES_PER_HOUR),
            invocation: reader.seconds(&settings::INVOCATION),
            sweep: reader.seconds(&settings::SWEEP),
            sweep_every: reader.seconds(&settings::SWEEP_EVERY),
            shutdown: reader.seconds(&settings::SHUTDOWN),
        }
    }

    fn with(
        self,
        primary: HubSettings,
        secondary: HubSettings,
        storage: Secret,
        container: String,
        log: String,
    ) -> Config {
        let [primary_tier, secondary_tier] = self.tiers;
        Config {
            primary_tier,
            secondary_tier,
            left_to_owner: self.left_to_owner,
            primary,
            secondary,
            storage,
            container,
            max_in_flight: self.max_in_flight,
            mqtt_sessions: self.mqtt_sessions,
            lease: self.lease,
            record_refresh: self.record_refresh,
            router_valid: self.router_valid,
            deletes_per_hour: self.deletes_per_hour,
            invocation: self.invocation,
            sweep: self.sweep,
            sweep_every: self.sweep_every,
            shutdown: self.shutdown,
            log,
        }
    }
}

#[cfg(test)]
mod tests;
