//! A hub's name and address.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// A hub's name and address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress {
    /// The DNS name, in the certificate.
    pub dns: String,
    /// Where it listens.
    pub ip: IpAddr,
}

impl FromStr for HubAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (dns, ip) = text.split_once('@').unwrap_or((text, ""));
        let ip = match ip {
            "" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip.parse().map_err(|_| format!("'{ip}' is not an IP address"))?,
        };
        if dns.is_empty() {
            return Err("a hub needs a name".to_owned());
        }
        if dns.contains([':', '/']) {
            return Err(format!("'{dns}' is not a name: ports have options of their own"));
        }
        Ok(Self { dns: dns.to_owned(), ip })
    }
}

impl HubAddress {
    /// The name events give: the first label.
    #[must_use]
    pub fn name(&self) -> &str {
        self.dns.split('.').next().unwrap_or(&self.dns)
    }

    /// The host in connection strings: the DNS name, or the address when that name has no dot and would not
    /// resolve; with the port unless it is 443.
    #[must_use]
    pub fn host_name(&self, https_port: u16) -> String {
        match https_port {
            443 => self.host(),
            port => format!("{}:{port}", self.host()),
        }
    }

    /// What clients call the hub besides [`HubAddress::host_name`]: without a port or with any of its own, which leak
    /// into tokens and user names of some (observed), and by its address if it is `alone` there.
    #[must_use]
    pub(crate) fn other_names(&self, ports: &[u16], alone: bool) -> Vec<String> {
        let mut hosts = vec![self.dns.clone()];
        if alone {
            hosts.extend([as_host(self.ip), "localhost".to_owned()]);
        }
        let with_ports =
            |host: &String| ports.iter().map(|port| format!("{host}:{port}")).collect::<Vec<_>>();
        let with_ports: Vec<String> = hosts.iter().flat_map(with_ports).collect();
        hosts.extend(with_ports);
        hosts
    }

    /// The host alone.
    fn host(&self) -> String {
        if self.dns.contains('.') { self.dns.clone() } else { as_host(self.ip) }
    }
}

/// An address as it stands in a URL.
#[must_use]
pub(crate) fn as_host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_without_a_dot_is_reached_by_its_address() {
        let hub: HubAddress = "primary@127.0.0.2".parse().unwrap();
        assert_eq!((hub.name(), hub.host_name(8443).as_str()), ("primary", "127.0.0.2:8443"));
        let hub: HubAddress = "primary@::1".parse().unwrap();
        assert_eq!((hub.host_name(443).as_str(), hub.host_name(8443).as_str()), ("[::1]", "[::1]:8443"));
    }

    #[test]
    fn a_full_name_stays_and_its_first_label_names_the_hub() {
        let hub: HubAddress = "contoso.azure-devices.net".parse().unwrap();
        assert_eq!((hub.name(), hub.host_name(443).as_str()), ("contoso", "contoso.azure-devices.net"));
    }

    #[test]
    fn the_address_names_a_hub_only_if_there_is_no_other() {
        let hub: HubAddress = "contoso.azure-devices.net@127.0.0.2".parse().unwrap();
        assert_eq!(
            hub.other_names(&[8883], false),
            ["contoso.azure-devices.net", "contoso.azure-devices.net:8883"]
        );
        let names = hub.other_names(&[8883], true);
        assert!(
            ["127.0.0.2", "127.0.0.2:8883", "localhost"]
                .iter()
                .all(|name| names.contains(&(*name).to_owned()))
        );
    }

    #[test]
    fn a_port_is_not_part_of_a_name() {
        assert!("hub:8443@127.0.0.1".parse::<HubAddress>().is_err());
    }
}
