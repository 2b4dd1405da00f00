//! Shared access signatures: who may speak, for whom, until when.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use crate::error::{ErrorCode, HubError};
use crate::store::{AuthenticationKind, Hub, Id, Keys, Permission};

/// How far clocks may differ (a constant of the .NET client; that the hub does the same is inferred).
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// How many checked tokens are remembered; a client makes a new one every hour or so.
const REMEMBERED: usize = 1024;

/// A token as it was sent. What is signed is the text as received, escapes and all (documented).
struct Token<'a> {
    resource: &'a str,
    signature: Vec<u8>,
    expiry_text: &'a str,
    expiry: u64,
    policy: Option<String>,
}

impl<'a> Token<'a> {
    /// Parses the pairs in any order: clients differ.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim().strip_prefix("SharedAccessSignature ")?;
        let find = |name: &str| {
            text.split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|pair| pair.1)
        };
        let expiry_text = find("se")?;
        Some(Self {
            resource: find("sr")?,
            signature: STANDARD.decode(decoded(find("sig")?)).ok()?,
            expiry_text,
            expiry: expiry_text.parse().ok()?,
            policy: find("skn").map(decoded).filter(|name| !name.is_empty()),
        })
    }

    fn is_signed_by(&self, keys: &Keys) -> bool {
        [&keys.primary, &keys.secondary].into_iter().any(|key| self.verifies(key).is_some())
    }

    fn verifies(&self, key: &str) -> Option<()> {
        let key = STANDARD.decode(key).ok()?;
        let mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        let mac = mac.chain_update(self.resource).chain_update("\n").chain_update(self.expiry_text);
        mac.verify_slice(&self.signature).ok()
    }

    /// `sr` by segments, decoded once.
    fn segments(&self) -> Vec<String> {
        decoded(self.resource).split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn expired(expiry: u64) -> bool {
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
    expiry < now.saturating_sub(CLOCK_SKEW.as_secs())
}

/// Whether a token's resource covers what is asked for, by whole segments; the host by any of its names. Ids may be in the
/// token as they are or escaped once more, as clients differ.
fn covers(granted: &[String], hub: &Hub, path: &[&str]) -> bool {
    let Some((granted_host, rest)) = granted.split_first() else { return false };
    let same = |(granted, asked): (&String, &&str)| granted == asked || decoded(granted) == **asked;
    hub.is_called(granted_host) && rest.len() <= path.len() && rest.iter().zip(path).all(same)
}

#[derive(Debug, Clone)]
struct Grant {
    permissions: &'static [Permission],
    resource: Vec<String>,
    expiry: u64,
}

/// Checks service tokens, remembering those it has seen: signatures are costly, and policies keep their keys.
#[derive(Debug, Default)]
pub struct ServiceGate {
    seen: RwLock<HashMap<String, Grant>>,
}

impl ServiceGate {
    /// Whether the bearer of `token` may do what needs `permission` on `path` (decoded segments) of `hub`.
    ///
    /// # Errors
    /// `IotHubUnauthorizedAccess` for every reason.
    pub fn check(
        &self,
        hub: &Hub,
        token: &str,
        permission: Permission,
        path: &[&str],
    ) -> Result<(), HubError> {
        let known = self.seen.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        let grant = match known {
            Some(grant) => grant,
            None => self.learn(hub, token).ok_or_else(unauthorized_service)?,
        };
        let allowed = !expired(grant.expiry)
            && grant.permissions.contains(&permission)
            && covers(&grant.resource, hub, path);
        if allowed { Ok(()) } else { Err(unauthorized_service()) }
    }

    fn learn(&self, hub: &Hub, text: &str) -> Option<Grant> {
        let token = Token::parse(text)?;
        let policy = hub.policy(token.policy.as_deref()?)?;
        if !token.is_signed_by(&policy.keys) {
            return None;
        }
        let grant =
            Grant { permissions: policy.permissions, resource: token.segments(), expiry: token.expiry };
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(text.to_owned(), grant.clone());
        Some(grant)
    }
}

fn unauthorized_service() -> HubError {
    HubError::new(ErrorCode::IotHubUnauthorizedAccess, "Unauthorized")
}

/// Checks a device's or hub policy's token for an identity that wants to connect; gives the token's expiry in Unix
/// seconds (the hub closes the connection then).
///
/// # Errors
/// `IotHubUnauthorized` for every reason: unknown, disabled, wrong key, wrong resource, expired.
pub fn authorise_device(hub: &Hub, id: &Id, token: &str) -> Result<u64, HubError> {
    let denied = || HubError::new(ErrorCode::IotHubUnauthorized, "Unauthorized");
    let token = Token::parse(token).ok_or_else(denied)?;
    let credentials = hub.device_credentials(id).filter(|known| known.enabled).ok_or_else(denied)?;
    let signed = match &token.policy {
        None => credentials.keys.as_ref().is_some_and(|keys| token.is_signed_by(keys)),
        Some(name) => {
            let by_certificate =
                !matches!(credentials.kind, AuthenticationKind::Sas | AuthenticationKind::None);
            let refused = by_certificate && hub.switches().policy_refused_for_x509();
            let policy =
                hub.policy(name).filter(|policy| policy.permissions.contains(&Permission::DeviceConnect));
            !refused && policy.is_some_and(|policy| token.is_signed_by(&policy.keys))
        }
    };
    let path: Vec<&str> = match &id.module {
        None => vec!["devices", &id.device],
        Some(module) => vec!["devices", &id.device, "modules", module],
    };
    let covered = covers(&token.segments(), hub, &path);
    if signed && covered && !expired(token.expiry) { Ok(token.expiry) } else { Err(denied()) }
}
