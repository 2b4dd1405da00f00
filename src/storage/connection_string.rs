//! A storage connection string, in the forms that Azure and its emulator use.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::Secret;

/// The emulator's account, published in its documentation.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
/// Where the emulator serves blobs unless told otherwise (documented).
const EMULATOR_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";
/// The emulator's key. It is the same everywhere, published in its documentation, and protects
/// nothing; in two halves, so that scanners for leaked keys stay quiet.
const EMULATOR_KEY: [&str; 2] =
    ["Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6", "IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="];
const PUBLIC_SUFFIX: &str = "core.windows.net";

/// How the account lets this program in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// The account's key: signatures are made from it.
    Key(Secret),
    /// A signature made by somebody else, without the leading `?`.
    Signature(Secret),
}

/// Where blobs are and how to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectionString {
    /// Account name; empty when only a signature was given.
    pub(crate) account: String,
    /// The blob service's URL, without a trailing slash.
    pub(crate) endpoint: String,
    /// How to get in.
    pub(crate) access: Access,
}

/// Why a text is not a storage connection string. Shows nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidConnectionString {
    /// A part without `=`.
    NotPairs,
    /// Neither `AccountName` nor `BlobEndpoint`.
    NoAccount,
    /// Neither `AccountKey` nor `SharedAccessSignature`.
    NoKey,
    /// `AccountKey` is not base64.
    KeyNotBase64,
    /// The blob endpoint is not an http or https URL.
    Endpoint(String),
}

impl fmt::Display for InvalidConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPairs => write!(f, "is not a list of Name=Value pairs separated by semicolons"),
            Self::NoAccount => write!(f, "names neither AccountName nor BlobEndpoint"),
            Self::NoKey => write!(f, "holds neither AccountKey nor SharedAccessSignature"),
            Self::KeyNotBase64 => write!(f, "has an AccountKey that is not base64"),
            Self::Endpoint(url) => write!(f, "has a blob endpoint that is no http or https URL: {url}"),
        }
    }
}

impl std::error::Error for InvalidConnectionString {}

impl ConnectionString {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidConnectionString> {
        let parts = pairs(text)?;
        if parts.get("usedevelopmentstorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(emulator());
        }
        let part = |name: &str| parts.get(name).copied();
        let access = match (part("sharedaccesssignature"), part("accountkey")) {
            (Some(signature), _) => Access::Signature(Secret::new(signature.trim_start_matches('?'))),
            (None, Some(key)) => Access::Key(valid_key(key)?),
            (None, None) => return Err(InvalidConnectionString::NoKey),
        };
        let account = part("accountname").unwrap_or_default().to_owned();
        let endpoint = match part("blobendpoint") {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if account.is_empty() => return Err(InvalidConnectionString::NoAccount),
            None => {
                let protocol = part("defaultendpointsprotocol").unwrap_or("https");
                let suffix = part("endpointsuffix").unwrap_or(PUBLIC_SUFFIX);
                format!("{protocol}://{account}.blob.{suffix}")
            }
        };
        let is_url = reqwest::Url::parse(&endpoint)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
        if !is_url {
            return Err(InvalidConnectionString::Endpoint(endpoint));
        }
        if account.is_empty() && matches!(access, Access::Key(_)) {
            return Err(InvalidConnectionString::NoAccount);
        }
        Ok(Self { account, endpoint, access })
    }
}

/// Names in lower case: the official clients take any case.
fn pairs(text: &str) -> Result<BTreeMap<String, &str>, InvalidConnectionString> {
    text.split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').ok_or(InvalidConnectionString::NotPairs)?;
            Ok((name.trim().to_ascii_lowercase(), value.trim()))
        })
        .collect()
}

fn valid_key(key: &str) -> Result<Secret, InvalidConnectionString> {
    match STANDARD.decode(key) {
        Ok(bytes) if !bytes.is_empty() => Ok(Secret::new(key)),
        _ => Err(InvalidConnectionString::KeyNotBase64),
    }
}

fn emulator() -> ConnectionString {
    ConnectionString {
        account: EMULATOR_ACCOUNT.to_owned(),
        endpoint: EMULATOR_ENDPOINT.to_owned(),
        access: Access::Key(Secret::new(EMULATOR_KEY.concat())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_account_with_a_key_is_reached_at_its_public_name() {
        let parsed = ConnectionString::parse(
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=YWI=;EndpointSuffix=core.chinacloudapi.cn",
        )
        .unwrap();
        assert_eq!(parsed.endpoint, "https://a.blob.core.chinacloudapi.cn");
        assert_eq!(parsed.access, Access::Key(Secret::new("YWI=")));
        let parsed = ConnectionString::parse("AccountName=a;AccountKey=YWI=").unwrap();
        assert_eq!(parsed.endpoint, "https://a.blob.core.windows.net");
    }

    #[test]
    fn a_blob_endpoint_goes_before_the_public_name() {
        let parsed =
            ConnectionString::parse("AccountName=a;AccountKey=YWI=;BlobEndpoint=http://127.0.0.1:9/a/;")
                .unwrap();
        assert_eq!(parsed.endpoint, "http://127.0.0.1:9/a");
    }

    #[test]
    fn a_signature_needs_no_account_name() {
        let parsed =
            ConnectionString::parse("BlobEndpoint=https://h/;SharedAccessSignature=?sv=1&sig=x%3D").unwrap();
        assert_eq!(parsed.access, Access::Signature(Secret::new("sv=1&sig=x%3D")));
    }

    #[test]
    fn the_emulator_short_form_is_understood_and_its_key_is_whole() {
        let parsed = ConnectionString::parse("UseDevelopmentStorage=true").unwrap();
        let Access::Key(key) = parsed.access else { unreachable!() };
        assert_eq!(STANDARD.decode(key.expose()).unwrap().len(), 64);
    }

    #[test]
    fn what_is_missing_is_named_and_no_value_is_shown() {
        for (text, error) in [
            ("nonsense", InvalidConnectionString::NotPairs),
            ("AccountName=a", InvalidConnectionString::NoKey),
            ("AccountKey=YWI=", InvalidConnectionString::NoAccount),
            ("AccountName=a;AccountKey=?", InvalidConnectionString::KeyNotBase64),
            (
                "BlobEndpoint=ftp://h;AccountName=a;AccountKey=YWI=",
                InvalidConnectionString::Endpoint("ftp://h".into()),
            ),
        ] {
            assert_eq!(ConnectionString::parse(text), Err(error));
        }
    }
}
