//! Words of the trade, without I/O and without a clock.

mod identity;
mod ids;
mod merge_patch;
mod redaction;
mod secret;
mod twin;
mod writes;

pub use identity::{IdentityDocument, made_at};
pub use ids::{DeviceId, ETag, IdentityId, InvalidId, ModuleId, PROBE_PREFIX};
pub use merge_patch::{apply, diff};
pub use redaction::{REMOVED, redacted, redacted_body, redacted_members};
pub use secret::Secret;
pub use twin::{NO_NAME, NotATwin, Revision, SECTIONS, Section, TwinDocument, in_section};
pub use writes::{Path, SectionWrites, TwinWrites, Written, member};

/// A JSON object.
pub type Object = serde_json::Map<String, serde_json::Value>;
