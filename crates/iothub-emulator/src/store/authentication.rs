//! Keys and thumbprints of an identity.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

use crate::error::HubError;

/// Shortest and longest key, in bytes before base64 (documented).
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// How an identity proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthenticationKind {
    /// By a symmetric key.
    Sas,
    /// By a certificate with a known thumbprint.
    SelfSigned,
    /// By a certificate of a known authority.
    CertificateAuthority,
    /// Not at all: modules of the edge runtime.
    None,
}

impl AuthenticationKind {
    /// As written in `type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sas => "sas",
            Self::SelfSigned => "selfSigned",
            Self::CertificateAuthority => "certificateAuthority",
            Self::None => "none",
        }
    }

    fn parse(text: &str) -> Result<Self, HubError> {
        let all = [Self::Sas, Self::SelfSigned, Self::CertificateAuthority, Self::None];
        let found = all.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| HubError::invalid(format!("authentication type '{text}' is not valid")))
    }
}

/// Whose authentication it is: `none` is refused for devices and becomes `sas` for modules (observed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A device.
    Device,
    /// A module.
    Module,
}

/// The two keys of an identity, base64. Printing them for debugging shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// `primaryKey`.
    pub primary: String,
    /// `secondaryKey`.
    pub secondary: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// Two new random keys of 32 bytes.
    #[must_use]
    pub fn random() -> Self {
        let key = || STANDARD.encode(rand::random::<[u8; 32]>());
        Self { primary: key(), secondary: key() }
    }
}

/// `authentication` of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// `type`.
    pub kind: AuthenticationKind,
    /// The keys, for `sas`.
    pub keys: Option<Keys>,
    /// `primaryThumbprint` and `secondaryThumbprint`, their case kept.
    pub thumbprints: [Option<String>; 2],
    extra: Map<String, Value>,
}

impl Authentication {
    /// Symmetric keys made by the hub.
    #[must_use]
    pub fn minted() -> Self {
        Self::bare(AuthenticationKind::Sas, Some(Keys::random()))
    }

    /// No authentication, as modules of the edge runtime have.
    #[must_use]
    pub fn none() -> Self {
        Self::bare(AuthenticationKind::None, None)
    }

    pub(super) fn restored(
        kind: AuthenticationKind,
        keys: Option<Keys>,
        thumbprints: [Option<String>; 2],
        extra: Map<String, Value>,
    ) -> Self {
        Self { kind, keys, thumbprints, extra }
    }

    /// Members that this emulator has no meaning for.
    pub(super) fn extra(&self) -> &Map<String, Value> {
        &self.extra
    }

    fn bare(kind: AuthenticationKind, keys: Option<Keys>) -> Self {
        Self { kind, keys, thumbprints: [None, None], extra: Map::new() }
    }

    /// Reads `authentication` of a body; absent, `null` or without keys makes new keys (observed).
    ///
    /// # Errors
    /// `ArgumentInvalid` for an unknown type, keys that are not base64 of 16 to 64 bytes or only one key.
    pub fn read(body: Option<&Value>, owner: Owner) -> Result<Self, HubError> {
        let Some(Value::Object(body)) = body else {
            return match body {
                None | Some(Value::Null) => Ok(Self::minted()),
                Some(_) => Err(HubError::invalid("authentication must be an object")),
            };
        };
        let thumbprints = thumbprints(body.get("x509Thumbprint"));
        let kind = match text(body.get("type")) {
            Some(name) => AuthenticationKind::parse(name)?,
            None if thumbprints.iter().any(Option::is_some) => AuthenticationKind::SelfSigned,
            None => AuthenticationKind::Sas,
        };
        let kind = match (kind, owner) {
            (AuthenticationKind::None, Owner::Device) => {
                return Err(HubError::invalid("authentication type 'none' is not allowed for a device"));
            }
            (AuthenticationKind::None, Owner::Module) => AuthenticationKind::Sas,
            (kind, _) => kind,
        };
        let keys = match kind {
            AuthenticationKind::Sas => Some(read_keys(body.get("symmetricKey"))?),
            _ => None,
        };
        let known = ["type", "symmetricKey", "x509Thumbprint"];
        let extra = body.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let extra = extra.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Self { kind, keys, thumbprints, extra })
    }

    /// `x509Thumbprint`.
    #[must_use]
    pub fn thumbprint_json(&self) -> Value {
        let [primary, secondary] = &self.thumbprints;
        json!({"primaryThumbprint": primary, "secondaryThumbprint": secondary})
    }

    /// As the identity shows it, keys included.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = self.extra.clone();
        let (primary, secondary) = match &self.keys {
            Some(keys) => (Some(&keys.primary), Some(&keys.secondary)),
            None => (None, None),
        };
        all.insert("symmetricKey".to_owned(), json!({"primaryKey": primary, "secondaryKey": secondary}));
        all.insert("x509Thumbprint".to_owned(), self.thumbprint_json());
        all.insert("type".to_owned(), self.kind.name().into());
        Value::Object(all)
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn thumbprints(body: Option<&Value>) -> [Option<String>; 2] {
    let one = |name: &str| text(body.and_then(|body| body.get(name))).map(str::to_owned);
    [one("primaryThumbprint"), one("secondaryThumbprint")]
}

fn read_keys(body: Option<&Value>) -> Result<Keys, HubError> {
    let one = |name: &str| text(body.and_then(|body| body.get(name)));
    match (one("primaryKey"), one("secondaryKey")) {
        (None, None) => Ok(Keys::random()),
        (Some(primary), Some(secondary)) => {
            check_key(primary)?;
            check_key(secondary)?;
            Ok(Keys { primary: primary.to_owned(), secondary: secondary.to_owned() })
        }
        _ => Err(HubError::invalid("both keys must be given, or neither")),
    }
}

fn check_key(key: &str) -> Result<(), HubError> {
    match STANDARD.decode(key) {
        Ok(bytes) if KEY_BYTES.contains(&bytes.len()) => Ok(()),
        _ => Err(HubError::invalid("a key must be base64 of 16 to 64 bytes")),
    }
}
