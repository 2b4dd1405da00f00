//! Import and export jobs, through the real process, against Azurite. tests/run installs it under target/test-parts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod access;
mod azurite;
mod exports;
mod files;
mod imports;
mod world;

use serde_json::{Value, json};
