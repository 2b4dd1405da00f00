//! Shared access policies of a hub.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::authentication::Keys;

/// What a policy allows (documented).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Reading the identity registry.
    RegistryRead,
    /// Writing the identity registry.
    RegistryWrite,
    /// Twins and queries, from the service side.
    ServiceConnect,
    /// Everything a device does.
    DeviceConnect,
}

/// A policy of the hub.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name, as in `skn`.
    pub name: &'static str,
    /// What it allows.
    pub permissions: &'static [Permission],
    /// Its keys.
    pub keys: Keys,
}

use Permission::{DeviceConnect, RegistryRead, RegistryWrite, ServiceConnect};

/// The policies every hub is born with (documented).
const BUILT_IN: [(&str, &[Permission]); 5] = [
    ("iothubowner", &[RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect]),
    ("service", &[ServiceConnect]),
    ("device", &[DeviceConnect]),
    ("registryRead", &[RegistryRead]),
    ("registryReadWrite", &[RegistryRead, RegistryWrite]),
];

/// The built-in policies of one hub; with a seed the keys are the same at every start.
#[must_use]
pub(super) fn built_in(hub: &str, seed: Option<&str>) -> Vec<Policy> {
    let keys = |name: &str| match seed {
        None => Keys::random(),
        Some(seed) => Keys {
            primary: derived(seed, &format!("{hub}/{name}/primary")),
            secondary: derived(seed, &format!("{hub}/{name}/secondary")),
        },
    };
    BUILT_IN.into_iter().map(|(name, permissions)| Policy { name, permissions, keys: keys(name) }).collect()
}

fn derived(seed: &str, what: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(seed.as_bytes());
    mac.map_or_else(|_| String::new(), |mac| STANDARD.encode(mac.chain_update(what).finalize().into_bytes()))
}
