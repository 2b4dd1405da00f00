//! Identifiers, each a type that validates when it is built.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// Device ids that begin so belong to the app itself and are outside replication.
pub const PROBE_PREFIX: &str = "hadr-probe-";

/// Longest device or module id, in characters (documented by the service).
pub(crate) const MAX_ID_LENGTH: usize = 128;

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidId {
    /// No characters at all.
    Empty,
    /// More than 128 characters; how many.
    TooLong(usize),
    /// A character that the service does not allow.
    Character(char),
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "an id must not be empty"),
            Self::TooLong(n) => write!(f, "an id has at most {MAX_ID_LENGTH} characters, this one {n}"),
            Self::Character(c) => write!(f, "an id must not contain {c:?}"),
        }
    }
}

impl std::error::Error for InvalidId {}

/// The service's own rule: ASCII letters and digits and `- : . + % _ # * ? ! ( ) , = @ ; $ '`.
fn validate(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"-:.+%_#*?!(),=@;$'".contains(*c)) {
        return Err(InvalidId::Character(c));
    }
    if text.len() > MAX_ID_LENGTH {
        return Err(InvalidId::TooLong(text.len()));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as the service spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as one segment of a URL path: the one place where ids are percent-encoded.
            pub fn path_segment(&self) -> String {
                utf8_percent_encode(&self.0, SEGMENT).to_string()
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                validate(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                validate(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A device id. Case-sensitive.
    DeviceId
);
id!(
    /// A module id, unique within its device. Case-sensitive.
    ModuleId
);

impl DeviceId {
    /// Whether this identity belongs to the app itself.
    pub fn is_probe(&self) -> bool {
        self.0.starts_with(PROBE_PREFIX)
    }
}

impl ModuleId {
    /// Whether the hub makes and unmakes this module itself (`$edgeAgent`, `$edgeHub`).
    pub fn is_system(&self) -> bool {
        self.0.starts_with('$')
    }
}

/// A device, or a module of a device: what has a registry entry and a twin.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityId {
    /// The device.
    #[serde(rename = "deviceId")]
    pub device: DeviceId,
    /// The module, when this is not the device itself.
    #[serde(rename = "moduleId", default, skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleId>,
}

impl IdentityId {
    /// Whether a URL can name it: `.` and `..` are valid ids, but mean another place there, encoded or not (WHATWG URL).
    pub fn fits_a_url(&self) -> bool {
        let fits = |id: &str| !matches!(id, "." | "..");
        fits(self.device.as_str()) && self.module.as_ref().is_none_or(|module| fits(module.as_str()))
    }

    /// The device itself.
    pub fn device(device: DeviceId) -> Self {
        Self { device, module: None }
    }

    /// A module of a device.
    pub fn module(device: DeviceId, module: ModuleId) -> Self {
        Self { device, module: Some(module) }
    }

    /// As one segment of a path: percent-encoded, also the slash before a module.
    pub fn path_segment(&self) -> String {
        let device = self.device.path_segment();
        let with = |module: &ModuleId| format!("{device}%2F{}", module.path_segment());
        self.module.as_ref().map_or_else(|| device.clone(), with)
    }

    /// The inverse of [`IdentityId::path_segment`].
    pub fn from_path_segment(segment: &str) -> Option<Self> {
        percent_encoding::percent_decode_str(segment).decode_utf8().ok()?.parse().ok()
    }

    /// The identity of the device that a module belongs to; of a device, itself.
    pub fn owner(&self) -> Self {
        Self::device(self.device.clone())
    }
}

/// `device` or `device/module`, for messages and for `MQTT` client ids (`/` is in no id).
impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            None => write!(f, "{}", self.device),
            Some(module) => write!(f, "{}/{module}", self.device),
        }
    }
}

/// The inverse of [`fmt::Display`].
impl FromStr for IdentityId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text.split_once('/') {
            None => Ok(Self::device(text.parse()?)),
            Some((device, module)) => Ok(Self::module(device.parse()?, module.parse()?)),
        }
    }
}

/// An entity tag, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ETag(String);

impl ETag {
    /// From the service's text, with or without quotes.
    pub fn new(text: &str) -> Self {
        Self(text.trim().trim_matches('"').to_owned())
    }

    /// Whether it says nothing: empty, or the word `null` that some of the service's documents have
    /// in its place (documented of Event Grid's).
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty() || self.0 == "null"
    }

    /// Without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With quotes, as `If-Match` needs it: for twins an unquoted one is silently ignored
    /// (reported against three official clients).
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_has_one_to_128_of_the_services_characters() {
        assert_eq!("".parse::<DeviceId>(), Err(InvalidId::Empty));
        assert_eq!("a b".parse::<DeviceId>(), Err(InvalidId::Character(' ')));
        assert_eq!("ü".parse::<ModuleId>(), Err(InvalidId::Character('ü')));
        assert!("x".repeat(128).parse::<DeviceId>().is_ok());
        assert_eq!("x".repeat(129).parse::<DeviceId>(), Err(InvalidId::TooLong(129)));
    }

    #[test]
    fn a_device_id_with_a_percent_sign_is_encoded_once() {
        let id: DeviceId = "a%41/".trim_end_matches('/').parse().unwrap();
        assert_eq!(id.path_segment(), "a%2541");
    }

    #[test]
    fn an_id_that_is_stored_is_validated_when_it_is_read() {
        let id: IdentityId = serde_json::from_str(r#"{"deviceId":"d","moduleId":"$edgeHub"}"#).unwrap();
        assert_eq!(id.to_string(), "d/$edgeHub");
        assert!(serde_json::from_str::<IdentityId>(r#"{"deviceId":"a/b"}"#).is_err());
    }

    #[test]
    fn an_etag_loses_its_quotes_and_gets_them_back() {
        assert_eq!(ETag::new("\"AAAAAAAAAAE=\""), ETag::new("AAAAAAAAAAE="));
        assert_eq!(ETag::new("AAAAAAAAAAE=").quoted(), "\"AAAAAAAAAAE=\"");
    }

    proptest! {
        #[test]
        fn an_identity_is_read_as_it_was_written(
            device in "[A-Za-z0-9:.+%_#*?!(),=@;$'-]{1,128}", module in prop::option::of("[A-Za-z0-9$#%-]{1,20}"),
        ) {
            let module: Option<ModuleId> = module.map(|module| module.parse().unwrap());
            let id = IdentityId { device: device.parse().unwrap(), module };
            prop_assert_eq!(id.to_string().parse::<IdentityId>().unwrap(), id.clone());
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<IdentityId>(&json).unwrap(), id);
        }
    }
}
