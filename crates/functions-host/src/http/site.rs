//! What the port serves.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::request::Parts;
use tokio_util::sync::CancellationToken;

use super::route::Route;
use crate::app::{Function, HttpTrigger};
use crate::event_hub::EventHubFunction;
use crate::invocation::Runner;
use crate::timer::Timers;

/// An HTTP function with its route.
#[derive(Clone, Debug)]
pub(crate) struct HttpFunction {
    pub(crate) function: Function,
    pub(super) route: Route,
    pub(super) methods: Vec<String>,
}

impl HttpFunction {
    pub(crate) fn new(function: Function, trigger: &HttpTrigger, prefix: &str) -> Self {
        Self { route: Route::parse(prefix, &trigger.route), methods: trigger.methods.clone(), function }
    }
}

/// Everything the port needs.
pub(crate) struct Site {
    pub(crate) runner: Runner,
    /// Requests of functions with exactly an HTTP trigger and an HTTP output go to the handler as they are.
    pub(crate) forwarding: bool,
    pub(crate) http_functions: Vec<HttpFunction>,
    pub(crate) event_hub_functions: Vec<Arc<EventHubFunction>>,
    pub(crate) timers: Timers,
    pub(crate) stop: CancellationToken,
}

/// A request that has been read.
pub(super) struct Incoming {
    pub(super) parts: Parts,
    /// Empty when the request had no `Content-Length`: the host drops such bodies.
    pub(super) body: Bytes,
}
