//! How a device gets to the router and to a hub.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::session::Endpoint;
use crate::assignment::RouterClient;
use crate::error::LabError;
use crate::hubs::Hub;

/// How a device gets to the router and to a hub.
#[derive(Debug, Clone)]
pub(crate) struct Roads {
    routers: Vec<String>,
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
    // In Azure every hub listens on 8883; here two hubs share one address.
    mqtt_ports: Arc<BTreeMap<String, u16>>,
}

impl Roads {
    /// Roads to these hubs by way of the router, which each instance of the app has.
    ///
    /// # Errors
    /// When the certificate authority's file cannot be read.
    pub(crate) fn new(
        routers: Vec<String>,
        http: reqwest::Client,
        ca_file: &Path,
        hubs: [&Hub; 2],
    ) -> Result<Self, LabError> {
        let ports = hubs.map(|hub| (hub.host.clone(), hub.mqtt_port));
        Ok(Self { routers, http, tls: Arc::new(trusting(ca_file)?), mqtt_ports: Arc::new(ports.into()) })
    }

    /// The router's door for the client with this id.
    pub(crate) fn router(&self, id: &str) -> RouterClient {
        RouterClient::new(self.routers.clone(), self.http.clone(), id)
    }

    /// Where the hub with this host name listens to devices.
    ///
    /// # Errors
    /// When there is no such hub here.
    pub(crate) fn endpoint(&self, host: &str) -> Result<Endpoint, String> {
        let port = *self.mqtt_ports.get(host).ok_or_else(|| format!("unknown hub {host}"))?;
        Ok(Endpoint { host: host.to_owned(), port, tls: Arc::clone(&self.tls) })
    }
}

fn trusting(ca_file: &Path) -> Result<rustls::ClientConfig, LabError> {
    let bad = |why: String| LabError::Malformed(ca_file.to_owned(), why);
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(ca_file).map_err(|error| bad(error.to_string()))?;
    for certificate in certificates.filter_map(Result::ok) {
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    Ok(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
