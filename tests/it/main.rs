//! The app from outside: two hubs, storage, the host and the real handler process.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod cli;
mod edges;
mod failures;
mod floors;
mod handler;
mod kill;
mod promotion;
mod registry;
mod reported;
mod router;
mod schedules;
mod sdk;
mod twins;
mod world;
