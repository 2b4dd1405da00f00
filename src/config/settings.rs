//! The settings, each with its name, default, unit and meaning, in one place.

use std::ops::RangeInclusive;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The app setting's name, which is the environment variable's.
    pub name: &'static str,
    /// What holds when it is not set.
    pub default: Default,
    /// In what it is counted; empty for texts.
    pub unit: &'static str,
    /// What it is for, in one line.
    pub meaning: &'static str,
    /// Numbers that are taken.
    pub range: RangeInclusive<u64>,
}

/// What holds when a setting is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It must be set.
    Required,
    /// This number.
    Number(u64),
    /// This text.
    Text(&'static str),
    /// Something that follows from other settings, in words.
    Derived(&'static str),
}

impl Default {
    /// The default as a table shows it.
    pub fn in_words(self) -> String {
        match self {
            Self::Required => "required".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) | Self::Derived(text) => text.to_owned(),
        }
    }
}

const fn text(name: &'static str, default: Default, meaning: &'static str) -> Setting {
    Setting { name, default, unit: "", meaning, range: 0..=0 }
}

const fn number(
    name: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    unit: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { name, default: Default::Number(default), unit, meaning, range }
}

macro_rules! settings {
    ($($constant:ident = $setting:expr;)*) => {
        $(#[allow(missing_docs)] pub const $constant: Setting = $setting;)*
        /// All settings, in the order of the table in the README.
        pub const ALL: &[Setting] = &[$($constant),*];
    };
}

settings! {
    HUB1 = text("iothub1", Default::Required,
        "Connection string of the primary hub: a policy with registry read, registry write, service connect and device connect");
    HUB2 = text("iothub2", Default::Required, "Connection string of the secondary hub, with the same permissions");
    STORAGE = text("AzureWebJobsStorage", Default::Required,
        "Connection string of the storage account for the routing record, pending notes, loss reports, dead letters and snapshots");
    EVENT_HUBS = text("myEventHubReadConnectionAppSetting", Default::Required,
        "Connection string of the Event Hubs namespace, without an EntityPath; read by the Functions host");
    REGISTRY_GROUP = text("HADR_REGISTRY_CONSUMER_GROUP", Default::Required,
        "Consumer group of registry-sync on the event hub registry; read by the Functions host");
    TWIN_GROUP = text("HADR_TWIN_CONSUMER_GROUP", Default::Required,
        "Consumer group of twin-sync on the event hub devicetwin; read by the Functions host");
    HUB1_NAME = text("HADR_HUB1_NAME", Default::Derived("first label of the host name"),
        "The primary hub's name as events say it; not the secondary's");
    HUB2_NAME = text("HADR_HUB2_NAME", Default::Derived("first label of the host name"),
        "The secondary hub's name as events say it");
    HUB1_MQTT_PORT = number("HADR_HUB1_MQTT_PORT", 8883, 1..=65535, "port", "Port of the primary hub's device protocol");
    HUB2_MQTT_PORT = number("HADR_HUB2_MQTT_PORT", 8883, 1..=65535, "port", "Port of the secondary hub's device protocol");
    MAX_IN_FLIGHT = number("HADR_MAX_IN_FLIGHT", 64, 1..=1024, "requests", "Requests in flight to each hub; a few more connections than that may be open");
    MQTT_SESSIONS = number("HADR_MQTT_SESSIONS", 16, 1..=256, "sessions",
        "Device sessions open at one time to each hub, to write reported properties");
    HUB1_TIER = text("HADR_HUB1_TIER", Default::Derived("not set"),
        "Tier and units of the primary hub, such as S1x1: its limits are kept. Not set: the app finds them, beginning at those of S1x1, and comes down at once when the hub slows or refuses. For an emulator whose minute passes in a second: S1x1@60");
    HUB2_TIER = text("HADR_HUB2_TIER", Default::Derived("not set"), "The same of the secondary hub");
    LEFT_TO_OWNER = number("HADR_ACTIVE_LEFT_PERCENT", 50, 0..=95, "percent",
        "The part of the active hub's limits that is left to its owner; the standby's are all ours");
    LEASE = number("HADR_LEASE_SECONDS", 15, 2..=300, "seconds",
        "How long the right to write lasts after reading the routing record, and a duty after a write of its holder; a promotion takes a little longer");
    RECORD_REFRESH = number("HADR_RECORD_REFRESH_SECONDS", 3, 1..=60, "seconds", "How often the routing record is read");
    ROUTER_VALID = number("HADR_ROUTER_VALID_SECONDS", 60, 1..=86400, "seconds", "How long a device may keep the router's answer; a rejoining lasts at least twice as long");
    DELETES_PER_HOUR = number("HADR_DELETES_PER_HOUR", 100, 0..=1_000_000, "devices and modules",
        "Deletes per hour, by all instances together; beyond it an identity is pending");
    INVOCATION = number("HADR_INVOCATION_SECONDS", 240, 5..=300, "seconds",
        "How long a batch is worked on; at most half of functionTimeout in host.json");
    SWEEP = number("HADR_SWEEP_SECONDS", 60, 5..=300, "seconds", "How long one run of a duty works");
    SWEEP_EVERY = number("HADR_SWEEP_EVERY_SECONDS", 30, 1..=3600, "seconds",
        "How long each duty (pending, rejoin) pauses after a run; one process at a time does it");
    SHUTDOWN = number("HADR_SHUTDOWN_SECONDS", 8, 0..=300, "seconds", "How long work in flight may go on after SIGTERM or SIGINT");
    CONTAINER = text("HADR_CONTAINER", Default::Text("iot-hadr"),
        "Blob container of the app; its witness is in another one, with -witness added to the name");
    LOG = text("HADR_LOG", Default::Text("Information"),
        "What is logged: Trace, Debug, Information, Warning, Error, Critical or None, in any case; or a filter as tracing writes them: warn,iot_hadr=debug");
}
