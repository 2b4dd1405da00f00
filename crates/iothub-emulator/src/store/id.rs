//! Who an identity is.

use std::fmt;

use crate::error::HubError;

/// The longest id, in characters (documented).
const MAX_ID_CHARS: usize = 128;

/// A device, or a module of a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// The device id, case-sensitive.
    pub device: String,
    /// The module id, for a module.
    pub module: Option<String>,
}

impl Id {
    /// The id of a device, taken as it is.
    pub fn device(device: impl Into<String>) -> Self {
        Self { device: device.into(), module: None }
    }

    /// The id of a module, taken as it is.
    pub fn module(device: impl Into<String>, module: impl Into<String>) -> Self {
        Self { device: device.into(), module: Some(module.into()) }
    }

    /// Reads an MQTT client id: `{device}` or `{device}/{module}`.
    #[must_use]
    pub fn from_client_id(text: &str) -> Self {
        match text.split_once('/') {
            Some((device, module)) => Self::module(device, module),
            None => Self::device(text),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            Some(module) => write!(f, "{}/{module}", self.device),
            None => f.write_str(&self.device),
        }
    }
}

/// Checks an id against the documented character set and length.
///
/// # Errors
/// `ArgumentInvalid` naming the id.
pub fn check_id(text: &str) -> Result<(), HubError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-:.+%_#*?!(),=@;$'".contains(c);
    if text.is_empty() || text.chars().count() > MAX_ID_CHARS || !text.chars().all(allowed) {
        return Err(HubError::invalid(format!("The id '{text}' is not valid")));
    }
    Ok(())
}
