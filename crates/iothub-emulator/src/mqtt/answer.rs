//! Refusals in the words of the device protocol.

use serde_json::Value;

use super::packet::ConnectCode;
use crate::control::Planned;
use crate::error::{ErrorCode, HubError, Tracking};

/// A status and a body for the topic of an error.
pub(super) type Refusal = (u16, Value);

/// The store's own refusal.
pub(super) fn told(error: HubError) -> Refusal {
    (error.code.status(), error.numbered_body(&Tracking::of_twin()))
}

/// The answer a fault asks for; without a body, a usual one for that status.
pub(super) fn refusal(planned: &Planned) -> Refusal {
    let code = match planned.status {
        400 => ErrorCode::ArgumentInvalid,
        404 => ErrorCode::DeviceNotFound,
        412 => ErrorCode::PreconditionFailed,
        429 => ErrorCode::ThrottlingBacklogTimeout,
        503 => ErrorCode::ServiceUnavailable,
        _ => ErrorCode::ServerError,
    };
    let usual = || HubError::new(code, "as asked for").numbered_body(&Tracking::of_twin());
    (planned.status, planned.body.clone().unwrap_or_else(usual))
}

/// The code of a CONNACK that says what an HTTP status would.
pub(super) fn connect_code(planned: &Planned) -> ConnectCode {
    match planned.status {
        429 | 500..=599 => ConnectCode::ServerUnavailable,
        _ => ConnectCode::NotAuthorised,
    }
}
