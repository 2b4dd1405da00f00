//! The account shared access signature, as a pure function.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use crate::model::Secret;

/// The version whose string to sign this is (documented; it has sixteen lines since 2020-12-06).
const VERSION: &str = "2022-11-02";
/// Read, write, delete, list, create.
const PERMISSIONS: &str = "rwdlc";
const SERVICES: &str = "b";
const RESOURCE_TYPES: &str = "sco";
const PROTOCOLS: &str = "https,http";

const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The query string that gives this program its access to blobs until `expires` (whole seconds).
///
/// `None` when the key is not base64.
pub(crate) fn account_signature(account: &str, key: &Secret, expires: Timestamp) -> Option<Secret> {
    let key = STANDARD.decode(key.expose()).ok()?;
    let expiry = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    // Account, permissions, services, resource types, start, expiry, addresses, protocols, version,
    // encryption scope, each ended by a line feed (documented).
    let to_sign = format!(
        "{account}\n{PERMISSIONS}\n{SERVICES}\n{RESOURCE_TYPES}\n\n{expiry}\n\n{PROTOCOLS}\n{VERSION}\n\n"
    );
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).ok()?;
    mac.update(to_sign.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    Some(Secret::new(format!(
        "sv={VERSION}&ss={SERVICES}&srt={RESOURCE_TYPES}&spr={}&se={}&sp={PERMISSIONS}&sig={}",
        encoded(PROTOCOLS),
        encoded(&expiry),
        encoded(&signature)
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The expected text was made with `@azure/storage-blob` 12.
    #[test]
    fn a_signature_is_the_one_that_the_official_node_client_makes() {
        let key = Secret::new(STANDARD.encode("a key that is no key"));
        let expires = "2030-01-02T03:04:05Z".parse().unwrap();
        let query = account_signature("account", &key, expires).unwrap();
        assert_eq!(
            query.expose(),
            "sv=2022-11-02&ss=b&srt=sco&spr=https%2Chttp&se=2030-01-02T03%3A04%3A05Z&sp=rwdlc\
             &sig=%2F%2Fu374YEAWg9%2B%2F%2BB5lKFJ6JFG9KGVqh2Dt8XmzsYHTQ%3D"
        );
    }

    #[test]
    fn a_key_that_is_not_base64_signs_nothing() {
        assert!(account_signature("account", &Secret::new("not base64!"), Timestamp::UNIX_EPOCH).is_none());
    }
}
