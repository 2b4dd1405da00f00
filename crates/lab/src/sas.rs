//! Shared access signatures for hubs and devices, as documented ("Control access to IoT Hub with
//! shared access signatures"). The lab's own: it shares nothing with the app it tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

/// Everything is encoded but what RFC 3986 leaves alone everywhere.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A token for `resource` (not yet encoded), good until `expiry` (Unix seconds). `policy` is the
/// shared access policy's name, or nothing for a device's own key.
pub(crate) fn token(resource: &str, key: &[u8], policy: Option<&str>, expiry: u64) -> String {
    let resource = encoded(resource);
    let signature = sign(key, &format!("{resource}\n{expiry}"));
    let policy = policy.map(|name| format!("&skn={name}")).unwrap_or_default();
    format!("SharedAccessSignature sr={resource}&sig={}&se={expiry}{policy}", encoded(&signature))
}

/// One path segment or query value.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A key as connection strings and identities write it.
pub(crate) fn decoded_key(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A new device key: 32 random bytes in base64, as the hub makes them.
pub(crate) fn new_key() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

fn sign(key: &[u8], text: &str) -> String {
    // HMAC takes keys of any length, so this cannot fail; an empty signature is simply refused.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_token_equals_one_made_by_another_implementation() {
        // Made with Python's hmac and urllib for this key, resource and expiry.
        let made = token("h/devices/d", b"0123456789abcdef", None, 1_900_000_000);
        let wanted = "SharedAccessSignature sr=h%2Fdevices%2Fd&sig=CRffC7dPmQF4hXId82vayXFKprvWs4dUhbk74B7TifM%3D&se=1900000000";
        assert_eq!(made, wanted);
    }

    #[test]
    fn a_policy_token_names_the_policy() {
        let made = token("h:8443", b"k", Some("iothubowner"), 1);
        assert!(made.starts_with("SharedAccessSignature sr=h%3A8443&sig="));
        assert!(made.ends_with("&se=1&skn=iothubowner"));
    }
}
