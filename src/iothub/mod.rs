//! A hub's service API and device twin protocol, as a client.
//!
//! [`HubClient`] has one method per operation. Below it, in reading order: a call is described
//! (`wire`), admitted (`throttle`, `reachability`), signed (`sas`), sent and sent again (`client`,
//! `retry`, never after its lease: `deadline`, `fence`), and its answer or failure is understood (`wire`, [`HubError`]). Reported properties go
//! another way, as the device, over MQTT (`device`). [`notification`] reads what the hubs' events say.

mod answer;
mod attempts;
mod boot_time;
mod bulk;
mod client;
mod connection_string;
mod deadline;
mod device;
mod device_sessions;
mod error;
mod fence;
mod network;
pub mod notification;
mod query;
mod reachability;
mod registry;
mod retry;
mod sas;
mod throttle;
mod twins;
mod unreadable;
mod wire;

#[cfg(test)]
mod tests;

pub use boot_time::BootTime;
pub use bulk::{BulkItem, MAX_BULK_ITEMS};
pub use client::{HubClient, Limits};
pub use connection_string::{BadConnectionString, HubSettings};
pub use deadline::Deadline;
pub(crate) use error::tidy;
pub use error::{HubError, HubErrorKind};
pub use network::{Network, NetworkError};
pub use query::{Page, Statistics};
pub use sas::sign;
pub use throttle::{BadTier, CallCounts, Family, Lane, OperationClass, Tier};
