//! Words of the trade, without I/O and without a clock.

mod change;
mod identity;
mod ids;
mod merge_patch;
mod secret;
mod twin;

pub use change::{Change, TwinChange};
pub use identity::IdentityDocument;
pub use ids::{DeviceId, ETag, IdentityId, InvalidId, ModuleId, PROBE_PREFIX};
pub use merge_patch::{apply, diff};
pub use secret::Secret;
pub use twin::{NotATwin, Section, TwinDocument};

/// A JSON object.
pub type Object = serde_json::Map<String, serde_json::Value>;
