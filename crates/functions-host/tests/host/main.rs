//! The host from outside: its real process, a real handler process, an event log and a script that answers for the
//! handler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod delivery;
mod event_log;
mod observed;
mod ownership;
mod process;
mod relay;
mod script;
mod web;
mod world;
