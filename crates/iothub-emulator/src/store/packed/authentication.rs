//! Keys and thumbprints as bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use super::members::Members;
use crate::store::authentication::{Authentication, AuthenticationKind, Keys};

#[derive(Serialize, Deserialize)]
pub(super) struct PackedAuthentication<'a> {
    kind: AuthenticationKind,
    #[serde(borrow)]
    keys: Option<[PackedKey<'a>; 2]>,
    thumbprints: [Option<Cow<'a, str>>; 2],
    extra: Members<'a>,
}

impl<'a> PackedAuthentication<'a> {
    pub(super) fn pack(authentication: &'a Authentication) -> Self {
        let keys = authentication.keys.as_ref();
        let [primary, secondary] = &authentication.thumbprints;
        let thumbprint = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        Self {
            kind: authentication.kind,
            keys: keys.map(|keys| [PackedKey::pack(&keys.primary), PackedKey::pack(&keys.secondary)]),
            thumbprints: [thumbprint(primary), thumbprint(secondary)],
            extra: Members::pack(authentication.extra()),
        }
    }

    pub(super) fn unpack(self) -> Option<Authentication> {
        let keys = self
            .keys
            .map(|[primary, secondary]| Keys { primary: primary.unpack(), secondary: secondary.unpack() });
        let thumbprints = self.thumbprints.map(|text| text.map(Cow::into_owned));
        Some(Authentication::restored(self.kind, keys, thumbprints, self.extra.unpack()?))
    }
}

/// A key as the bytes that its base64 stands for, or as its text when the bytes would give another text.
#[derive(Serialize, Deserialize)]
enum PackedKey<'a> {
    Bytes(Vec<u8>),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl<'a> PackedKey<'a> {
    fn pack(key: &'a str) -> Self {
        match STANDARD.decode(key) {
            Ok(bytes) if STANDARD.encode(&bytes) == key => Self::Bytes(bytes),
            _ => Self::Text(Cow::Borrowed(key)),
        }
    }

    fn unpack(self) -> String {
        match self {
            Self::Bytes(bytes) => STANDARD.encode(bytes),
            Self::Text(text) => text.into_owned(),
        }
    }
}
