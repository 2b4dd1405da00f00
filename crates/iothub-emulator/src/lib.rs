//! Two or more Azure IoT Hubs on this machine, for tests and demonstrations.
//!
//! In reading order: [`cli`] (what can be asked for), [`store`] (registry, twins, sessions: what a hub remembers),
//! [`sas`], [`authority`] and [`tls`] (who may speak), [`service`] (the service API over HTTPS), [`jobs`] (the
//! registry to and from blob storage), [`mqtt`] (the device protocol), [`events`] (what leaves the hub), [`throttle`]
//! (how much it takes) and [`control`] (the port from which tests cause trouble and look inside). [`journal`] keeps
//! all that over a restart, when asked to.
//!
//! What a real hub does is taken from its documentation, from recorded traffic and from the sources of its official
//! clients; whatever is only inferred is a switch, see [`store::Switches`].

mod accept;
pub mod amqp;
pub mod authority;
pub mod cli;
pub mod control;
mod data;
pub mod error;
pub mod events;
mod hosts;
pub mod jobs;
pub mod journal;
mod listeners;
pub mod mqtt;
pub mod running;
pub mod sas;
pub mod service;
pub mod stamp;
mod start_error;
pub mod store;
pub mod throttle;
pub mod tls;
pub mod trust;
