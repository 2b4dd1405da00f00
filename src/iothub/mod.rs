//! A hub's service API and device twin protocol, as a client.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::model::{DeviceId, ETag, IdentityDocument, IdentityId, Object, Secret, TwinDocument};

/// What the caller can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubErrorKind {
    /// The hub's own not-found for this identity.
    Absent,
    /// Create-only, and it exists.
    Exists,
    /// The precondition failed: somebody wrote meanwhile.
    Stale,
    /// 429, after the retries that the deadline allowed.
    Throttled,
    /// No definite answer: no connection, time-out, 5xx, an answer that is not the hub's.
    Unavailable,
    /// 401 or 403.
    Denied,
    /// The hub refuses this request and will refuse it again.
    Rejected,
    /// An answer that cannot be understood.
    Malformed,
}

/// A failed call.
#[derive(Debug, Clone)]
pub struct HubError {
    /// What the caller can do.
    pub kind: HubErrorKind,
    /// The hub's error name or number.
    pub code: Option<String>,
    /// The hub's tracking id.
    pub tracking_id: Option<String>,
    /// In words, without secrets.
    pub message: String,
}

/// How a hub is reached; from a connection string.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// `HostName` as it is written, with its port if it has one.
    pub host_name: String,
    /// Name in events: first label of the host name unless set.
    pub name: String,
    /// Policy name.
    pub policy: String,
    /// Policy key.
    pub key: Secret,
    /// Port of the device protocol.
    pub mqtt_port: u16,
}

/// One bulk item's fate.
#[derive(Debug, Clone)]
pub enum BulkItem {
    /// Applied.
    Done,
    /// Refused, alone.
    Failed(HubError),
}

/// A page of a query.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rows.
    pub rows: Vec<Value>,
    /// Where the next page begins; `None` on the last one.
    pub continuation: Option<String>,
}

/// Registry counts.
#[derive(Debug, Clone, Copy)]
pub struct Statistics {
    /// All devices. Lags, observed.
    pub total: u64,
    /// Enabled ones.
    pub enabled: u64,
    /// Disabled ones.
    pub disabled: u64,
}

/// When a call must have ended; reads and writes are cut there.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// From now.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }
    /// The earlier of the two.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }
}

/// One hub. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HubClient {}

#[allow(missing_docs, unused_variables)]
impl HubClient {
    pub fn settings(&self) -> &HubSettings {
        unreachable!()
    }
    /// GET twin of a device or module.
    pub async fn twin(&self, id: &IdentityId, deadline: Deadline) -> Result<TwinDocument, HubError> {
        unreachable!()
    }
    /// GET registry entry, keys included.
    pub async fn identity(&self, id: &IdentityId, deadline: Deadline) -> Result<IdentityDocument, HubError> {
        unreachable!()
    }
    /// GET all modules of a device.
    pub async fn modules(
        &self,
        device: &DeviceId,
        deadline: Deadline,
    ) -> Result<Vec<IdentityDocument>, HubError> {
        unreachable!()
    }
    /// PUT without `If-Match`: create-only.
    pub async fn create_identity(
        &self,
        id: &IdentityId,
        body: &Object,
        deadline: Deadline,
    ) -> Result<IdentityDocument, HubError> {
        unreachable!()
    }
    /// PUT with `If-Match`.
    pub async fn update_identity(
        &self,
        id: &IdentityId,
        body: &Object,
        etag: &ETag,
        deadline: Deadline,
    ) -> Result<IdentityDocument, HubError> {
        unreachable!()
    }
    /// DELETE with `If-Match`.
    pub async fn delete_identity(
        &self,
        id: &IdentityId,
        etag: &ETag,
        deadline: Deadline,
    ) -> Result<(), HubError> {
        unreachable!()
    }
    /// POST /devices; one fate per item, in order. At most 100 items.
    pub async fn create_in_bulk(
        &self,
        items: &[Object],
        deadline: Deadline,
    ) -> Result<Vec<BulkItem>, HubError> {
        unreachable!()
    }
    /// PATCH tags and desired with `If-Match`; the twin as it is then.
    pub async fn patch_twin(
        &self,
        id: &IdentityId,
        patch: &Object,
        etag: &ETag,
        deadline: Deadline,
    ) -> Result<TwinDocument, HubError> {
        unreachable!()
    }
    /// One page of a query.
    pub async fn query(
        &self,
        query: &str,
        continuation: Option<&str>,
        deadline: Deadline,
    ) -> Result<Page, HubError> {
        unreachable!()
    }
    pub async fn statistics(&self, deadline: Deadline) -> Result<Statistics, HubError> {
        unreachable!()
    }
    /// Writes reported properties as the device, over MQTT; gives the new reported `$version`.
    pub async fn patch_reported(
        &self,
        id: &IdentityId,
        patch: &Object,
        expected_version: u64,
        deadline: Deadline,
    ) -> Result<u64, HubError> {
        unreachable!()
    }
}

pub mod notification {
    //! What the hub's events say.
    use crate::model::{IdentityId, Object, TwinChange};
    use jiff::Timestamp;

    /// What happened, as far as an event can be trusted.
    #[derive(Debug, Clone, PartialEq)]
    pub enum HintKind {
        /// Created.
        Created,
        /// Deleted.
        Deleted,
        /// Twin changed; `replaced` when the whole of tags and desired was.
        Twin { replaced: bool },
        /// A connection state event or the like: names an identity, changes nothing.
        Other,
    }

    /// One identity that may have changed.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Hint {
        /// Which.
        pub identity: IdentityId,
        /// The hub's name as the event says it (any case, short or full).
        pub hub: Option<String>,
        /// What.
        pub kind: HintKind,
        /// `operationTimestamp`, or the event's own time.
        pub occurred: Option<Timestamp>,
        /// What the event carries of the twin (empty for lifecycle events).
        pub change: TwinChange,
        /// Top-level twin `version` after the change.
        pub version: Option<u64>,
        /// `properties.reported.$version` / `properties.desired.$version` after the change.
        pub reported_version: Option<u64>,
        /// See `reported_version`.
        pub desired_version: Option<u64>,
    }

    /// Why an event cannot be understood: becomes the dead letter's reason.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct NotANotification(pub String);

    /// Hints in one event body (Event Grid arrays may hold several); errors apart, one per element.
    pub fn parse(body: &[u8], properties: &Object, system: &Object) -> Vec<Result<Hint, NotANotification>> {
        let _ = (body, properties, system);
        Vec::new()
    }
}
