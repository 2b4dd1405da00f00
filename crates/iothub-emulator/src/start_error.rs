//! Why the emulator did not start.

use std::io;
use std::net::IpAddr;

use crate::authority::AuthorityError;
use crate::journal::JournalError;
use crate::tls::TlsError;

/// Why the emulator did not start.
#[derive(Debug)]
pub enum StartError {
    /// A port is taken, or not for this user.
    Port(IpAddr, u16, io::Error),
    /// The directory of `--data` cannot be used.
    Data(JournalError),
    /// No certificate authority, or no certificates.
    Tls(TlsError),
    /// Two hubs share a name.
    SameName(String),
    /// Two hubs share a host name, as in connection strings.
    SameHost(String),
    /// Others could reach a hub, and nobody said that they may.
    Reachable(IpAddr),
    /// A tier is for a hub that there is not.
    NoSuchHub(String),
    /// A switch that is not there or does not take that: why.
    Switch(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Port(ip, port, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(
                    f,
                    "cannot listen on {ip}:{port}: {error}; ask for another port (--https-port, …, see --help)"
                )
            }
            Self::Port(ip, port, error) => write!(f, "cannot listen on {ip}:{port}: {error}"),
            Self::Data(error) => write!(f, "--data: {error}"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::SameName(name) => write!(f, "two hubs are called {name}"),
            Self::SameHost(host) => write!(
                f,
                "two hubs would be reached as {host}: give them names with a dot, or an address each"
            ),
            Self::Switch(why) => write!(f, "--switch: {why}"),
            Self::Reachable(ip) => {
                write!(
                    f,
                    "{ip} is not a loopback address: other machines can reach it; --beyond-loopback allows that"
                )
            }
            Self::NoSuchHub(name) => write!(f, "--tier is for {name}, and no hub is called that"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<JournalError> for StartError {
    fn from(error: JournalError) -> Self {
        Self::Data(error)
    }
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<AuthorityError> for StartError {
    fn from(error: AuthorityError) -> Self {
        Self::Tls(error.into())
    }
}
