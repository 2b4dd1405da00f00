//! The app's settings out of the environment; all that is wrong with them is said at once.

mod bad_settings;
mod clients;
mod connection_kind;
mod environment;
mod event_hubs;
mod files;
mod host_json;
mod host_settings;
mod log_filter;
mod reader;
pub mod settings;

use std::time::Duration;

pub use bad_settings::{BadSetting, BadSettings};
pub use clients::{Clients, NoClients};
pub use environment::Environment;
pub use files::{ByHand, SOURCES, by_hand};
use host_json::HostJson;
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
    /// Events in a batch at most: host.json's.
    pub max_event_batch_size: usize,
    /// What is wrong and does not end the process: the router answers without it.
    pub faults: Vec<BadSetting>,
    /// Why no event can be taken, where that is so: batches are held until the settings are right.
    pub events_held: Option<String>,
}

impl Config {
    /// Reads the settings, and from host.json the size of a batch. An empty setting counts as not set.
    ///
    /// # Errors
    /// All bad settings, with those that alone would not end the process.
    pub fn read(environment: &Environment) -> Result<Self, BadSettings> {
        let mut reader = Reader::new(environment);
        let primary = reader.hub(&settings::HUB1, &settings::HUB1_NAME, &settings::HUB1_MQTT_PORT);
        let secondary = reader.hub(&settings::HUB2, &settings::HUB2_NAME, &settings::HUB2_MQTT_PORT);
        let hubs = primary.zip(secondary);
        if let Some((primary, secondary)) = &hubs {
            reader.two_hubs(primary, secondary);
        }
        let storage = reader.storage();
        let numbers = Numbers::read(&mut reader);
        let texts = (reader.container(), reader.log());
        let soft = Soft::read(environment, hubs.as_ref(), numbers.invocation);
        match (hubs, storage, reader.into_bad()) {
            (Some(hubs), Some(storage), bad) if bad.is_empty() => {
                Ok(numbers.with(hubs, storage, texts, soft))
            }
            (.., mut bad) => {
                bad.extend(soft.faults);
                Err(BadSettings(bad))
            }
        }
    }
}

/// What never ends the process.
struct Soft {
    max_event_batch_size: usize,
    faults: Vec<BadSetting>,
    events_held: Option<String>,
}

impl Soft {
    fn read(
        environment: &Environment,
        hubs: Option<&(HubSettings, HubSettings)>,
        invocation: Duration,
    ) -> Self {
        let HostJson { max_event_batch_size, function_timeout, fault } = HostJson::read(environment);
        let mut faults = host_settings::faults(environment);
        faults.extend(fault);
        faults.extend(function_timeout.and_then(|timeout| host_settings::time_fault(invocation, timeout)));
        let mut events_held = None;
        let called_the_same =
            hubs.and_then(|(primary, secondary)| host_settings::name_fault(environment, primary, secondary));
        if let Some((fault, by_a_setting)) = called_the_same {
            // Hubs that are called the same by themselves are still told apart where events give the full host name.
            events_held = by_a_setting.then(|| format!("{} {}", fault.name, fault.why));
            faults.push(fault);
        }
        Self { max_event_batch_size, faults, events_held }
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
        (primary, secondary): (HubSettings, HubSettings),
        storage: Secret,
        (container, log): (String, String),
        soft: Soft,
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
            max_event_batch_size: soft.max_event_batch_size,
            faults: soft.faults,
            events_held: soft.events_held,
        }
    }
}

#[cfg(test)]
mod tests;
