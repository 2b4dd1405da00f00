//! One file per function folder: translate, never decide.

pub mod hub_router;
pub mod registry_sync;
pub mod twin_sync;
