//! What the registry holds about a device and its modules.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::authentication::Authentication;
use super::twin::TwinRecord;
use crate::stamp::Stamp;

/// What devices and modules have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRecord {
    /// `generationId`: tells a re-created identity from its predecessor.
    pub generation: Stamp,
    /// The counter behind the ETag; its start is random.
    pub counter: u32,
    /// Keys or thumbprints.
    pub authentication: Authentication,
    /// Whether it is connected.
    pub connected: bool,
    /// When that changed.
    pub connection_updated: Stamp,
    /// When it was last heard.
    pub last_activity: Stamp,
    /// The model that it named when it connected, empty when it named none.
    pub model: String,
    /// Members of the body that this emulator has no meaning for; they are given back.
    pub extra: Map<String, Value>,
    /// The twin.
    pub twin: TwinRecord,
}

impl IdentityRecord {
    pub(super) fn new(at: Stamp, authentication: Authentication, twin: TwinRecord) -> Self {
        Self {
            generation: at,
            counter: rand::random_range(10_000_000..999_000_000),
            authentication,
            connected: false,
            connection_updated: Stamp::NEVER,
            last_activity: Stamp::NEVER,
            model: String::new(),
            extra: Map::new(),
            twin,
        }
    }

    /// The ETag without quotes: base64 of the decimal counter (observed in recorded traffic).
    #[must_use]
    pub fn etag(&self) -> String {
        STANDARD.encode(self.counter.to_string())
    }
}

/// A device; its modules are records of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// What it shares with modules.
    pub identity: IdentityRecord,
    /// `status`: enabled, else disabled.
    pub enabled: bool,
    /// `statusReason`.
    pub status_reason: Option<String>,
    /// When the status changed.
    pub status_updated: Stamp,
    /// `capabilities`; `iotEdge` is always there.
    pub capabilities: Map<String, Value>,
    /// `deviceScope`: an edge device's own, or a leaf's parent's.
    pub scope: Option<String>,
    /// `parentScopes`.
    pub parent_scopes: Vec<String>,
}

impl DeviceRecord {
    /// Whether it is an edge device.
    #[must_use]
    pub fn is_edge(&self) -> bool {
        self.capabilities.get("iotEdge").and_then(Value::as_bool).unwrap_or(false)
    }
}

/// A module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleRecord {
    /// What it shares with devices.
    pub identity: IdentityRecord,
    /// `managedBy`.
    pub managed_by: Option<String>,
}
