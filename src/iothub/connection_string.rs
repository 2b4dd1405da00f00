//! How a hub is reached, out of its connection string.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::Secret;

/// The device protocol's port (documented).
const DEFAULT_MQTT_PORT: u16 = 8883;

/// How a hub is reached; from a connection string.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// `HostName` as it is written, with its port if it has one.
    pub host_name: String,
    /// Name in events: first label of the host name unless set.
    pub name: String,
    /// Policy name.
    pub policy: String,
    /// Policy key, base64.
    pub key: Secret,
    /// Port of the device protocol.
    pub mqtt_port: u16,
}

/// Why a text is no hub connection string. Never shows the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadConnectionString {
    /// A part between two `;` has no `=`; which one, counted from 1.
    NotAPair(usize),
    /// A part that is needed is not there, or is empty.
    Missing(&'static str),
    /// A part is there twice.
    Twice(&'static str),
    /// It is a device's string, not a policy's.
    ForADevice,
    /// `HostName` is neither `host` nor `host:port`.
    HostName(String),
    /// `HostName` is the hub's name for back ends alone, or for devices alone; and the one for all.
    OneSided {
        /// As it is written.
        host: String,
        /// What is meant.
        classic: String,
    },
    /// `SharedAccessKey` is not base64.
    Key,
}

impl fmt::Display for BadConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPair(n) => write!(f, "part {n} of the connection string has no '='"),
            Self::Missing(name) => write!(f, "the connection string has no {name}"),
            Self::Twice(name) => write!(f, "the connection string has {name} twice"),
            Self::ForADevice => {
                write!(f, "the connection string is a device's; a shared access policy's is needed")
            }
            Self::HostName(text) => write!(f, "HostName '{text}' is neither a host nor host:port"),
            Self::OneSided { host, classic } => write!(
                f,
                "HostName '{host}' is for back ends or devices alone, and the app uses one name for both and gives it to \
                 devices: write '{classic}' (`az iot hub connection-string show --hostname-type classic`)"
            ),
            Self::Key => write!(f, "SharedAccessKey is not base64"),
        }
    }
}

impl std::error::Error for BadConnectionString {}

impl HubSettings {
    /// Reads `HostName=…;SharedAccessKeyName=…;SharedAccessKey=…`, in any order; parts it does not
    /// know are let be. The hub's name and MQTT port are the defaults: set the fields to change them.
    pub fn parse(text: &str) -> Result<Self, BadConnectionString> {
        let parts = Parts::read(text)?;
        let host_name = parts.host.ok_or(BadConnectionString::Missing("HostName"))?;
        let policy = parts.policy.ok_or(BadConnectionString::Missing("SharedAccessKeyName"))?;
        let key = parts.key.ok_or(BadConnectionString::Missing("SharedAccessKey"))?;
        let (host, _) = split_host(host_name)?;
        is_for_all(host)?;
        decode_key(key)?;
        Ok(Self {
            name: default_name(host),
            host_name: host_name.to_owned(),
            policy: policy.to_owned(),
            key: Secret::new(key),
            mqtt_port: DEFAULT_MQTT_PORT,
        })
    }

    /// The host without its port, for the device protocol.
    pub(crate) fn host(&self) -> &str {
        split_host(&self.host_name).map_or(self.host_name.as_str(), |(host, _)| host)
    }

    /// The key's bytes.
    pub(crate) fn key_bytes(&self) -> Result<Vec<u8>, BadConnectionString> {
        decode_key(self.key.expose())
    }
}

#[derive(Default)]
struct Parts<'a> {
    host: Option<&'a str>,
    policy: Option<&'a str>,
    key: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Self, BadConnectionString> {
        let mut parts = Self::default();
        for (index, part) in text.trim().split(';').enumerate() {
            if part.trim().is_empty() {
                continue;
            }
            let (name, value) = part.split_once('=').ok_or(BadConnectionString::NotAPair(index + 1))?;
            parts.take(name.trim(), value.trim())?;
        }
        Ok(parts)
    }

    fn take(&mut self, name: &str, value: &'a str) -> Result<(), BadConnectionString> {
        let (place, name) = match name.to_ascii_lowercase().as_str() {
            "hostname" => (&mut self.host, "HostName"),
            "sharedaccesskeyname" => (&mut self.policy, "SharedAccessKeyName"),
            "sharedaccesskey" => (&mut self.key, "SharedAccessKey"),
            "deviceid" => return Err(BadConnectionString::ForADevice),
            _ => return Ok(()),
        };
        if place.is_some() {
            return Err(BadConnectionString::Twice(name));
        }
        *place = Some(value).filter(|value| !value.is_empty());
        Ok(())
    }
}

/// Host and port; a host is a DNS name or an IPv4 address.
fn split_host(host_name: &str) -> Result<(&str, Option<u16>), BadConnectionString> {
    let bad = || BadConnectionString::HostName(host_name.to_owned());
    let (host, port) = match host_name.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?)),
        None => (host_name, None),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || host.parse::<Ipv6Addr>().is_ok() || !host.chars().all(allowed) {
        return Err(bad());
    }
    Ok((host, port))
}

/// Every hub has a name for back ends and one for devices beside its classic one (documented, 2026). The first must never
/// reach a device; signatures are made for the name that is written, and both sides are asked here.
fn is_for_all(host: &str) -> Result<(), BadConnectionString> {
    let mut labels = host.splitn(3, '.');
    let (Some(hub), Some(side), Some(domain)) = (labels.next(), labels.next(), labels.next()) else {
        return Ok(());
    };
    let is_one_sided = side.eq_ignore_ascii_case("service") || side.eq_ignore_ascii_case("device");
    if !is_one_sided || !domain.to_ascii_lowercase().starts_with("azure-devices") {
        return Ok(());
    }
    Err(BadConnectionString::OneSided { host: host.to_owned(), classic: format!("{hub}.{domain}") })
}

/// The first label; of an address, which has no labels, the whole.
fn default_name(host: &str) -> String {
    if host.parse::<Ipv4Addr>().is_ok() {
        return host.to_owned();
    }
    host.split('.').next().unwrap_or(host).to_owned()
}

fn decode_key(key: &str) -> Result<Vec<u8>, BadConnectionString> {
    STANDARD.decode(key).map_err(|_| BadConnectionString::Key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with_host(host: &str) -> Result<HubSettings, BadConnectionString> {
        HubSettings::parse(&format!("HostName={host};SharedAccessKeyName=p;SharedAccessKey=AAECAwQFBgc="))
    }

    #[test]
    fn a_key_keeps_its_equals_signs() {
        let settings = HubSettings::parse(
            "SharedAccessKey=AAECAwQFBgc=;HostName=contoso.azure-devices.net;SharedAccessKeyName=hadr;",
        )
        .unwrap();
        assert_eq!(settings.key.expose(), "AAECAwQFBgc=");
        assert_eq!(settings.policy, "hadr");
        assert_eq!(settings.mqtt_port, 8883);
    }

    #[test]
    fn the_name_in_events_is_the_first_label() {
        assert_eq!(with_host("contoso.azure-devices.net:8443").unwrap().name, "contoso");
        assert_eq!(with_host("contoso").unwrap().name, "contoso");
    }

    #[test]
    fn an_address_is_its_own_name_and_keeps_its_port_apart() {
        let settings = with_host("127.0.0.1:43211").unwrap();
        assert_eq!(settings.name, "127.0.0.1");
        assert_eq!(settings.host(), "127.0.0.1");
        assert_eq!(settings.host_name, "127.0.0.1:43211");
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = |text: &str| HubSettings::parse(text).unwrap_err();
        assert_eq!(missing(""), BadConnectionString::Missing("HostName"));
        assert_eq!(missing("HostName=h"), BadConnectionString::Missing("SharedAccessKeyName"));
        assert_eq!(
            missing("HostName=h;SharedAccessKeyName=p;SharedAccessKey="),
            BadConnectionString::Missing("SharedAccessKey")
        );
        assert_eq!(missing("HostName=h;nonsense"), BadConnectionString::NotAPair(2));
        assert_eq!(missing("HostName=h;DeviceId=d;SharedAccessKey=AAEC"), BadConnectionString::ForADevice);
    }

    #[test]
    fn a_bad_key_is_never_shown() {
        let error =
            HubSettings::parse("HostName=h;SharedAccessKeyName=p;SharedAccessKey=not-a-key").unwrap_err();
        assert_eq!(error, BadConnectionString::Key);
        assert!(!error.to_string().contains("not-a-key"));
    }

    #[test]
    fn a_name_for_back_ends_or_devices_alone_is_refused_and_the_classic_one_is_named() {
        for host in ["contoso.service.azure-devices.net", "contoso.Device.azure-devices.us"] {
            let refused = with_host(host).unwrap_err().to_string();
            let classic = host.to_lowercase().replace(".service", "").replace(".device.", ".");
            assert!(refused.contains(host) && refused.contains(&format!("write '{classic}'")), "{refused}");
        }
        for host in [
            "service.azure-devices.net",
            "device.example.org",
            "hub.service.example.org",
            "a.azure-devices.net",
        ] {
            assert!(with_host(host).is_ok(), "{host}");
        }
    }

    #[test]
    fn a_host_name_that_is_a_url_is_refused() {
        for host in ["https://h", "h/path", "h:", "h:0", "h:99999", "a:b:1", "u@h"] {
            assert!(matches!(with_host(host), Err(BadConnectionString::HostName(_))), "{host}");
        }
    }
}
