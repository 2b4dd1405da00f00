//! What can be asked for on the command line.

use clap::Parser;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// Two or more IoT Hubs on this machine.
#[derive(Debug, Clone, Parser)]
#[command(name = "iothub-emulator", version)]
pub struct Options {
    /// A hub: `<dns name>@<ip>`, or only the name for 127.0.0.1. Give it once per hub.
    #[arg(long = "hub", required = true)]
    pub hubs: Vec<HubAddress>,
    /// Where `ca.pem` goes; a new directory among the temporary files unless given.
    #[arg(long)]
    pub ca_dir: Option<PathBuf>,
    /// HTTPS port of every hub; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    pub https_port: u16,
    /// MQTT port of every hub; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    pub mqtt_port: u16,
    /// Port of the control API on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    pub control_port: u16,
    /// Partitions of every event hub.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub partitions: u16,
    /// Makes the policies' keys the same at every start.
    #[arg(long)]
    pub key_seed: Option<String>,
    /// Stops when standard input closes, so that no emulator outlives whoever started it.
    #[arg(long)]
    pub exit_with_stdin: bool,
}

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
        if !ip.is_loopback() {
            return Err(format!("{ip} is not a loopback address: this emulator stays on its machine"));
        }
        if dns.is_empty() {
            return Err("a hub needs a name".to_owned());
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
        let host = if self.dns.contains('.') { self.dns.clone() } else { self.ip.to_string() };
        match (https_port, self.ip.is_ipv6() && !self.dns.contains('.')) {
            (443, _) => host,
            (port, true) => format!("[{host}]:{port}"),
            (port, false) => format!("{host}:{port}"),
        }
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
    }

    #[test]
    fn a_full_name_stays_and_its_first_label_names_the_hub() {
        let hub: HubAddress = "contoso.azure-devices.net".parse().unwrap();
        assert_eq!((hub.name(), hub.host_name(443).as_str()), ("contoso", "contoso.azure-devices.net"));
    }

    #[test]
    fn only_loopback_addresses_are_taken() {
        assert!("hub@10.0.0.1".parse::<HubAddress>().is_err());
    }
}
