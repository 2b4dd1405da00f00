//! Which two hubs a record is about. Pure: no I/O, no clock.

use serde::{Deserialize, Serialize};

/// Host names of both hubs, as they were configured when the record was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HubNames {
    /// `iothub1`.
    pub primary: String,
    /// `iothub2`.
    pub secondary: String,
}
