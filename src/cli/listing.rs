//! What the listings have in common.

use clap::Args;

use crate::storage::StorageError;

/// The arguments of a listing.
#[derive(Debug, Clone, Args)]
pub struct Listing {
    /// A JSON array
    #[arg(long)]
    pub(super) json: bool,
    /// At most so many
    #[arg(long, default_value_t = 1000)]
    pub(super) limit: usize,
}

/// The arguments of what shows one of a listing.
#[derive(Debug, Clone, Args)]
pub struct One {
    /// The id that `list` shows; of a pending identity also `device` or `device/module`
    pub(super) id: String,
    /// A JSON array of one
    #[arg(long)]
    pub(super) json: bool,
}

/// Without a container there is nothing in it.
pub(super) fn or_nothing<T: Default>(found: Result<T, StorageError>) -> Result<T, StorageError> {
    match found {
        Err(StorageError::NoContainer) => Ok(T::default()),
        found => found,
    }
}
