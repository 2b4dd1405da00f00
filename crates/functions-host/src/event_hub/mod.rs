//! Event hub triggers: one owner per function and partition, reading an event log in order.

mod checkpoint;
mod event;
mod event_log;
mod idle;
mod metadata;
mod owner;
mod payload;
mod position;

pub(crate) use checkpoint::Checkpoints;
pub(crate) use event::Event;
pub(crate) use event_log::EventLog;
pub(crate) use idle::is_idle;
pub(crate) use owner::{EventHubFunction, OwnerContext, Partition};
pub(crate) use payload::{AdminEvent, admin_envelope, dotnet_text};
pub(crate) use position::Positions;
