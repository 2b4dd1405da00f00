//! Reported patches on their way to the store.

use super::answer::{Refusal, told};
use super::topic::Expected;
use crate::error::{ErrorCode, HubError};
use crate::store::{Hub, Id};

/// Writes a patch; gives the new reported `$version`.
pub(super) fn apply_patch(hub: &Hub, id: &Id, patch: &[u8], version: Expected) -> Result<u64, Refusal> {
    let version = match version {
        Expected::Any => None,
        Expected::Exactly(version) => Some(version),
        Expected::Unreadable => return Err(told(HubError::invalid("$version is not a number"))),
    };
    let patch = serde_json::from_slice(patch)
        .map_err(|_| HubError::new(ErrorCode::IotHubFormatError, "the body is not JSON"));
    patch.and_then(|patch| hub.patch_reported(id, patch, version)).map_err(told)
}
