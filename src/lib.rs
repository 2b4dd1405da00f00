//! Automatic cross-region failover for Azure IoT Hub, as an Azure Functions custom handler.
//!
//! Two hubs in two regions: the device registry and the device twins are copied one way, from the
//! active hub to the standby, and an HTTP function tells every device which hub to connect to.
//!
//! In reading order, each room using only the ones below it:
//!
//! | floor | rooms |
//! |---|---|
//! | 5 | [`app`], [`cli`] |
//! | 4 | [`functions`], [`config`] |
//! | 3 | [`replication`] |
//! | 1 | [`routing`] |
//! | ½ | [`iothub`], [`storage`], [`host`] |
//! | 0 | [`model`] |

pub mod app;
pub mod cli;
pub mod config;
pub mod functions;
pub mod host;
pub mod iothub;
pub mod model;
pub mod replication;
pub mod routing;
pub mod storage;
