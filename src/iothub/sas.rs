//! Shared access signatures: signing is a pure function, and a token is kept for as long as it is good.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

use crate::model::Secret;

/// How long a token is good for, in seconds.
const LIFETIME: u64 = 3600;

/// A token with less than this left, in seconds, is replaced: clocks differ, and requests queue.
const RENEW_BEFORE: u64 = 900;

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Signs a token for `resource` (not encoded yet) that is good until `expiry`, in Unix seconds.
///
/// `policy` names the shared access policy that the key belongs to; a device's own key has none.
/// The form is the documented one: what is signed is the encoded resource, a line feed, the expiry.
pub fn sign(resource: &str, key: &[u8], policy: Option<&str>, expiry: u64) -> Secret {
    let resource = utf8_percent_encode(resource, RESERVED).to_string();
    let signature = STANDARD.encode(digest(key, format!("{resource}\n{expiry}").as_bytes()));
    let signature = utf8_percent_encode(&signature, RESERVED);
    let mut token = format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}");
    if let Some(policy) = policy {
        let _ = write!(token, "&skn={}", utf8_percent_encode(policy, RESERVED));
    }
    Secret::new(token)
}

fn digest(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length; no key, no signature that anybody would accept.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// A policy's key, and its token for the hub.
pub(crate) struct Signer {
    host_name: String,
    policy: String,
    key: Vec<u8>,
    service: Mutex<Option<(u64, Arc<Secret>)>>,
}

impl Signer {
    pub(crate) fn new(host_name: &str, policy: &str, key: Vec<u8>) -> Self {
        Self { host_name: host_name.to_owned(), policy: policy.to_owned(), key, service: Mutex::new(None) }
    }

    /// The token for the whole hub, for the service API and to connect with as any device (documented, and how the
    /// official .NET client does it), signed anew only when the last one is near its end.
    /// `now` is in Unix seconds.
    pub(crate) fn service(&self, now: u64) -> Arc<Secret> {
        let mut kept = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((expiry, token)) = kept.as_ref()
            && (now + RENEW_BEFORE..=now + LIFETIME).contains(expiry)
        {
            return token.clone();
        }
        let expiry = now + LIFETIME;
        let token = Arc::new(sign(&self.host_name, &self.key, Some(&self.policy), expiry));
        *kept = Some((expiry, token.clone()));
        token
    }
}

/// Names only.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("host_name", &self.host_name).field("policy", &self.policy).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Vec<u8> {
        (0..32).collect()
    }

    // The expected tokens were computed with Python's hmac, base64 and urllib.parse.quote.

    #[test]
    fn a_service_token_is_the_known_one() {
        let token = sign("contoso.azure-devices.net", &key(), Some("iothubowner"), 1_800_000_000);
        assert_eq!(token.expose(), include_str!("testdata/sas-service.txt").trim_end());
    }

    #[test]
    fn a_port_and_a_policy_with_odd_characters_are_encoded() {
        let token = sign("127.0.0.1:8443", &key(), Some("a b&c"), 1_800_000_001);
        assert_eq!(token.expose(), include_str!("testdata/sas-port.txt").trim_end());
    }

    #[test]
    fn a_device_token_covers_the_device_alone_and_names_no_policy() {
        let token = sign("contoso.azure-devices.net/devices/pump#1%/modules/m", &key(), None, 1_800_000_002);
        assert_eq!(token.expose(), include_str!("testdata/sas-module.txt").trim_end());
    }

    #[test]
    fn a_token_is_signed_once_and_renewed_well_before_it_ends() {
        let signer = Signer::new("h", "p", key());
        let first = signer.service(1_000_000);
        assert!(Arc::ptr_eq(&first, &signer.service(1_000_000 + LIFETIME - RENEW_BEFORE)));
        assert!(!Arc::ptr_eq(&first, &signer.service(1_000_000 + LIFETIME - RENEW_BEFORE + 1)));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_a_token_of_the_future() {
        let signer = Signer::new("h", "p", key());
        let first = signer.service(1_000_000);
        assert!(!Arc::ptr_eq(&first, &signer.service(900_000)));
    }
}
