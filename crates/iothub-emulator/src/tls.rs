//! TLS as the hubs speak it.

use rustls::ServerConfig;
use std::net::IpAddr;
use std::sync::Arc;

use crate::authority::{Authority, AuthorityError};

/// Why TLS cannot be spoken.
#[derive(Debug)]
pub enum TlsError {
    /// There is no certificate.
    Authority(AuthorityError),
    /// The server's configuration.
    Configuration(rustls::Error),
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Authority(error) => write!(f, "{error}"),
            Self::Configuration(error) => write!(f, "no TLS configuration: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<AuthorityError> for TlsError {
    fn from(error: AuthorityError) -> Self {
        Self::Authority(error)
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Configuration(error)
    }
}

/// TLS 1.2 and 1.3 for one address, with one certificate for all names there: which of them a client asks for shows
/// later, and one that asks for none must be served too.
///
/// # Errors
/// When a name cannot stand in a certificate.
pub(crate) fn server(
    authority: &Authority,
    names: &[&str],
    address: IpAddr,
) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = authority.issue(names, address)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}
