//! One file per function folder: translate, never decide.

pub mod hub_router;
