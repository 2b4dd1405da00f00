//! Why a hub refuses, in the hub's own words.

use serde_json::{Value, json};
use std::fmt;
use uuid::Uuid;

use crate::stamp::Stamp;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal => $status:literal,)+) => {
        /// The documented error codes this emulator answers with. A name is what `iothub-errorcode` says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode { $($(#[$doc])* $name,)+ }
        impl ErrorCode {
            /// The documented number, as in `errorCode` of device-side bodies.
            #[must_use]
            pub fn number(self) -> u32 { match self { $(Self::$name => $number,)+ } }
            /// The HTTP (and twin response) status.
            #[must_use]
            pub fn status(self) -> u16 { match self { $(Self::$name => $status,)+ } }
            /// The documented name.
            #[must_use]
            pub fn name(self) -> &'static str { match self { $(Self::$name => stringify!($name),)+ } }
        }
    };
}

codes! {
    /// The request names no API version.
    InvalidProtocolVersion = 400_001 => 400,
    /// The request makes no sense in this state.
    InvalidOperation = 400_003 => 400,
    /// A value is not allowed.
    ArgumentInvalid = 400_004 => 400,
    /// A value is missing.
    ArgumentNull = 400_005 => 400,
    /// The body is not what the route takes.
    IotHubFormatError = 400_006 => 400,
    /// A job's blob container cannot be used with its shared access signature.
    BlobContainerValidationError = 400_008 => 400,
    /// One bulk call names an identity twice.
    DeviceDefinedMultipleTimes = 400_011 => 400,
    /// The body is not JSON.
    DeserializationError = 400_012 => 400,
    /// The host names no hub that is served here.
    IotHubNotFound = 401_001 => 401,
    /// No key, a wrong key, a wrong permission or, for module calls, no enabled device.
    IotHubUnauthorizedAccess = 401_002 => 401,
    /// A device's token is not accepted.
    IotHubUnauthorized = 401_003 => 401,
    /// There are as many configurations as there may be.
    IotHubQuotaExceeded = 403_002 => 403,
    /// An import or export job is running already.
    JobQuotaExceeded = 403_003 => 403,
    /// There is no such configuration (the number is not documented; this is the generic one).
    ConfigurationNotFound = 404_000 => 404,
    /// There is no such device, or no twin of that name.
    DeviceNotFound = 404_001 => 404,
    /// There is no such job.
    JobNotFound = 404_002 => 404,
    /// There is no such module identity.
    ModuleNotFound = 404_010 => 404,
    /// The configuration exists (the number is not documented; this is the generic one).
    ConfigurationAlreadyExists = 409_000 => 409,
    /// The device exists.
    DeviceAlreadyExists = 409_001 => 409,
    /// The module exists.
    ModuleAlreadyExistsOnDevice = 409_301 => 409,
    /// The precondition does not hold.
    PreconditionFailed = 412_001 => 412,
    /// The body is too large.
    MessageTooLarge = 413_001 => 413,
    /// A bulk call has too many items.
    TooManyDevices = 413_002 => 413,
    /// The device has as many modules as it may.
    TooManyModulesOnDevice = 413_003 => 413,
    /// Slow down.
    ThrottlingException = 429_001 => 429,
    /// Slow down: the request was queued for too long.
    ThrottlingBacklogTimeout = 429_003 => 429,
    /// The hub failed.
    ServerError = 500_001 => 500,
    /// The emulator does not do this; a real hub might.
    NotImplemented = 501_000 => 501,
    /// The hub is not there just now.
    ServiceUnavailable = 503_001 => 503,
}

/// A refusal: the code and the text after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubError {
    /// What kind of refusal.
    pub code: ErrorCode,
    /// The text for people, never with a key in it.
    pub message: String,
}

impl HubError {
    /// A refusal with its text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// 400004 with its text.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, message)
    }

    /// 412001 as the hub words it for a twin.
    #[must_use]
    pub fn stale(device: &str) -> Self {
        Self::new(ErrorCode::PreconditionFailed, format!("ETag mismatch for device ID '{device}'"))
    }

    /// 404001 as the hub words it.
    #[must_use]
    pub fn no_device(device: &str) -> Self {
        Self::new(ErrorCode::DeviceNotFound, format!("Device {device} not registered"))
    }

    /// The body of failing twin responses over MQTT and of module identity calls (read in client sources).
    #[must_use]
    pub fn numbered_body(&self, tracking: &Tracking) -> Value {
        json!({"errorCode": self.code.number(), "trackingId": tracking.to_string(), "message": self.message,
            "timestampUtc": Stamp::now().to_string()})
    }

    /// The body of most failing service calls (observed in recorded traffic).
    #[must_use]
    pub fn named_body(&self, tracking: &Tracking) -> Value {
        json!({"Message": format!("ErrorCode:{};{}", self.code.name(), self.message),
            "ExceptionMessage": format!("Tracking ID:{tracking}")})
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code.number(), self.code.name(), self.message)
    }
}

impl std::error::Error for HubError {}

/// What support would ask for: `{id}-G:5-TimeStamp:…`, with the id of the response's `x-ms-request-id`; of twins an id of
/// its own and no gateway (recorded).
#[derive(Debug, Clone, Copy)]
pub struct Tracking {
    id: Uuid,
    gateway: bool,
    at: Stamp,
}

impl Tracking {
    /// Of the request with that id.
    #[must_use]
    pub fn of_request(id: Uuid) -> Self {
        Self { id, gateway: true, at: Stamp::now() }
    }

    /// Of what was done to a twin.
    #[must_use]
    pub fn of_twin() -> Self {
        Self { id: Uuid::new_v4(), gateway: false, at: Stamp::now() }
    }
}

impl fmt::Display for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, gateway) = (self.id.simple(), if self.gateway { "-G:5" } else { "" });
        let at = self.at.timestamp().strftime("%m/%d/%Y %H:%M:%S");
        write!(f, "{id}{gateway}-TimeStamp:{at}")
    }
}
