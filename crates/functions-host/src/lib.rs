//! A stand-in for the Azure Functions host, v4, as a custom handler sees it.
//!
//! In reading order: `cli` says what to run, `app` reads the app folder, `handler` keeps the handler's process alive,
//! `invocation` sends it one payload and judges the reply, `event_hub`, `timer` and `http` are the three triggers,
//! `control` is the port for tests, and `host` puts it all together.
//!
//! Everything here follows the host's source or its observed behaviour; what is not supported is refused by name.

mod app;
mod cli;
mod control;
mod dotnet;
mod error;
mod event_hub;
pub mod guard;
mod handler;
mod host;
mod http;
mod invocation;
mod json;
mod log;
mod timer;

pub use cli::{Cli, Command, StartOptions};
pub use error::HostError;
pub use host::run;
