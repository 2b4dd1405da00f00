//! What all hubs share: trust, and one pool of connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};

/// Connections kept open per hub while nobody uses them.
const IDLE_CONNECTIONS: usize = 64;

/// How long TCP and TLS together may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Trust and connections; built once, cheap to clone.
#[derive(Clone)]
pub struct Network {
    pub(crate) http: reqwest::Client,
    pub(crate) tls: Arc<ClientConfig>,
}

/// Why nothing can be reached at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkError {
    /// No root certificate was found; what the store said.
    NoRootCertificates(String),
    /// TLS or the HTTP client cannot be set up.
    Setup(String),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRootCertificates(why) if why.is_empty() => write!(f, "no root certificates were found"),
            Self::NoRootCertificates(why) => write!(f, "no root certificates were found: {why}"),
            Self::Setup(why) => write!(f, "TLS cannot be set up: {why}"),
        }
    }
}

impl std::error::Error for NetworkError {}

impl Network {
    /// Trusts the operating system's root certificates, or those that `SSL_CERT_FILE` names instead.
    pub fn new() -> Result<Self, NetworkError> {
        Self::trusting(native_roots()?)
    }

    pub(crate) fn trusting(roots: RootCertStore) -> Result<Self, NetworkError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NetworkError::Setup(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A redirect would carry the token elsewhere, and the service never sends one.
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .http1_only()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .tcp_nodelay(true)
            .user_agent(concat!("iot-hadr/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NetworkError::Setup(error.to_string()))?;
        Ok(Self { http, tls: Arc::new(tls) })
    }
}

fn native_roots() -> Result<RootCertStore, NetworkError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string).unwrap_or_default();
        return Err(NetworkError::NoRootCertificates(why));
    }
    Ok(roots)
}

/// Nothing of it is worth showing.
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}
