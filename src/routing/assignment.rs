//! What devices are told. Pure.

use super::record::HubRole;

/// Which hub devices belong to, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The hub.
    pub hub: HubRole,
    /// The epoch in which that was said.
    pub epoch: u64,
    /// The last read of the record gave no answer.
    pub stale: bool,
}
