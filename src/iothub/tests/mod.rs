//! The client against small servers over real TLS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod broker;
mod leases;
mod limits;
mod server;
mod service;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::model::{DeviceId, IdentityId, Object};

/// A server's end of TLS for 127.0.0.1, and a client side that trusts it.
fn trust() -> (TlsAcceptor, Network) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::new(authority, authority_key)).unwrap();

    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(server)), Network::trusting(roots).unwrap())
}

fn settings(port: u16) -> HubSettings {
    HubSettings::parse(&format!(
        "HostName=127.0.0.1:{port};SharedAccessKeyName=hadr;SharedAccessKey=AAECAwQFBgcICQoLDA0ODw=="
    ))
    .unwrap()
}

fn object(value: serde_json::Value) -> Object {
    value.as_object().cloned().unwrap()
}

/// Stops everything that runs in a test of one thread, as a stopped process does.
fn freeze(long: Duration) {
    std::thread::sleep(long);
}

fn pump() -> IdentityId {
    "pump-17".parse().unwrap()
}
