//! Which hub a client means, where several share an address.

use std::sync::Arc;

use crate::control::HubControl;
use crate::service::Service;

/// The hubs behind one listener.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(Arc<[Arc<Service>]>);

impl Hosts {
    pub(crate) fn new(services: Vec<Arc<Service>>) -> Self {
        Self(services.into())
    }

    /// The hub, when there is no other: it is meant whatever a client says before it names one.
    pub(crate) fn only(&self) -> Option<&Arc<Service>> {
        match &*self.0 {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The hub of a TLS server name or a Host header. A port in it is none of ours: the client has found its way.
    pub(crate) fn named(&self, host: &str) -> Option<&Arc<Service>> {
        self.called(without_port(host))
    }

    /// The hub of the host in an MQTT user name, which some clients write with their port.
    pub(crate) fn called(&self, host: &str) -> Option<&Arc<Service>> {
        self.0.iter().find(|service| service.hub.is_called(host))
    }

    /// Whether every hub is closed to new connections.
    pub(crate) fn all_refuse(&self) -> bool {
        self.0.iter().all(|service| service.control.refusing())
    }
}

/// Resolves when the hub that a connection is for begins to refuse; never while that is not known.
pub(crate) async fn begins_refusing(known: Option<&HubControl>) {
    match known {
        Some(control) => control.begins_refusing().await,
        None => std::future::pending().await,
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of a bracketed address without a port are all inside.
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_cut_off_whatever_stands_before_it() {
        for (host, name) in
            [("h:443", "h"), ("h", "h"), ("[::1]:8443", "[::1]"), ("[::1]", "[::1]"), ("", "")]
        {
            assert_eq!(without_port(host), name);
        }
    }
}
