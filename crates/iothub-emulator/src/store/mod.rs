//! What the hubs remember. Nothing here waits: locks are held for one operation and events leave under the lock, so
//! that the events of one identity have the order of its writes.

mod authentication;
mod body;
mod bulk;
mod configuration;
mod configurations;
mod deployment;
mod device_side;
mod devices;
mod document;
mod export;
mod hub;
mod id;
mod import;
mod item;
mod journaled;
mod kept;
mod limits;
mod merge;
mod metadata;
mod modules;
mod packed;
mod policy;
mod precondition;
#[cfg(test)]
mod properties_of_merging;
mod query;
mod record;
mod registry;
mod scan;
mod sessions;
mod switches;
mod twin;
mod twins;
mod write;

pub use authentication::{Authentication, AuthenticationKind, Keys, Owner};
pub use configuration::Configuration;
pub use configurations::{Configurations, test_queries};
pub use device_side::{Credentials, SessionGuard};
pub use export::ExportPage;
pub use hub::Hub;
pub use id::{Id, check_id};
pub use import::ImportError;
pub(crate) use kept::KeptHub;
pub use policy::{Permission, Policy};
pub use precondition::Precondition;
pub use query::{Page, Query};
pub use record::{DeviceRecord, IdentityRecord, ModuleRecord};
pub use sessions::{DesiredPatch, Subscriptions};
pub use switches::Switches;
pub use twin::{Cleared, Effect, EventNulls, Section, TwinRecord, TwinWrite};
pub use twins::TwinVerb;
