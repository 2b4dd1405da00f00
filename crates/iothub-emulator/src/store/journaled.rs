//! Changes as the journal keeps them, and what is said when it cannot.

use std::io;

use super::devices::Change;
use crate::error::{ErrorCode, HubError};

/// Changes as the journal keeps them.
pub(super) fn encode(changes: &[Change]) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(changes).map_err(io::Error::other)
}

/// What a client is told when a write could not be kept.
pub(super) fn unkept(error: &io::Error) -> HubError {
    HubError::new(ErrorCode::ServerError, format!("the write could not be kept: {error}"))
}
