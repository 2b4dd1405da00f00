//! Everything started and wired together.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::accept::Door;
use crate::amqp::EventHubs;
use crate::authority::{Authority, AuthorityError};
use crate::cli::{self, AuthorityDir, HubAddress, Options};
use crate::control::{self, ControlPort, HubControl};
use crate::events::{self, Emitter};
use crate::mqtt;
use crate::service::{self, Service};
use crate::store::{Hub, Switches};
use crate::tls::{self, TlsError};

/// Why the emulator did not start.
#[derive(Debug)]
pub enum StartError {
    /// A port is taken, or not for this user.
    Port(IpAddr, u16, io::Error),
    /// No certificate authority, or no certificates.
    Tls(TlsError),
    /// Two hubs share a name.
    SameName(String),
    /// A tier is for a hub that there is not.
    NoSuchHub(String),
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
            Self::Tls(error) => write!(f, "{error}"),
            Self::SameName(name) => write!(f, "two hubs are called {name}"),
            Self::NoSuchHub(name) => write!(f, "--tier is for {name}, and no hub is called that"),
        }
    }
}

impl std::error::Error for StartError {}

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

/// A running emulator. Cancelling `stop` ends it.
#[derive(Debug)]
pub struct Running {
    /// What the ready line says.
    pub ready: Value,
    /// Ends everything.
    pub stop: CancellationToken,
}

/// What all hubs share while they start.
struct Shared {
    authority: Authority,
    emitter: Arc<Emitter>,
    switches: Arc<Switches>,
    stop: CancellationToken,
}

/// Starts the hubs, the event logs and the control port; when this returns, all of them answer.
///
/// # Errors
/// When a port is taken, the authority's files cannot be read or written, or two hubs share a name.
pub async fn start(options: &Options) -> Result<Running, StartError> {
    refuse_same_names(&options.hubs)?;
    refuse_lost_tiers(options)?;
    let shared = Shared {
        authority: authority(&options.authority)?,
        emitter: Arc::new(Emitter::with_retention(options.partitions, options.retention_mib)),
        switches: Arc::default(),
        stop: CancellationToken::new(),
    };
    let mut hubs = Vec::new();
    let mut lines = Vec::new();
    for address in &options.hubs {
        let (hub, control, line) = start_hub(address, options, &shared).await?;
        hubs.push((hub, control));
        lines.push(line);
    }
    let amqp_port = start_event_hubs(options, &shared).await?;
    let (logs, logs_url) = bind_plain(0).await?;
    let (listener, control_url) = bind_plain(options.control_port).await?;
    tokio::spawn(events::serve(logs, Arc::clone(&shared.emitter), shared.stop.clone()));
    let port = ControlPort { hubs, emitter: shared.emitter, switches: shared.switches };
    tokio::spawn(control::serve(listener, port, shared.stop.clone()));
    let ready = json!({"hubs": lines, "eventHubs": event_hubs(options, amqp_port), "eventLogs": logs_url,
        "control": control_url, "caFile": shared.authority.file()});
    Ok(Running { ready, stop: shared.stop })
}

/// The authority of the directory that was asked for, or of the usual one.
///
/// # Errors
/// When there is no such directory and none can be made, or its files are not to be used.
pub fn authority(options: &AuthorityDir) -> Result<Authority, AuthorityError> {
    match &options.ca_dir {
        Some(directory) => Authority::in_directory(directory),
        None => Authority::in_directory(&Authority::usual_directory()?),
    }
}

/// Serves the event hubs on every hub's address; gives the port on the first one.
async fn start_event_hubs(options: &Options, shared: &Shared) -> Result<u16, StartError> {
    let event_hubs = EventHubs::new(Arc::clone(&shared.emitter), shared.stop.clone());
    let mut first = None;
    for ip in options.hubs.iter().map(|hub| hub.ip).collect::<BTreeSet<IpAddr>>() {
        let (listener, port) = bind(ip, options.amqp_port).await?;
        tokio::spawn(event_hubs.clone().serve(listener));
        if options.hubs.first().is_some_and(|hub| hub.ip == ip) {
            first = Some(port);
        }
    }
    Ok(first.unwrap_or(options.amqp_port))
}

/// The connection string of the event hubs, in the form of a local one; the key is any.
fn event_hubs(options: &Options, port: u16) -> String {
    let ip = options.hubs.first().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |hub| hub.ip);
    let host = cli::as_host(ip);
    let endpoint = if port == 5672 { host } else { format!("{host}:{port}") };
    format!(
        "Endpoint=sb://{endpoint};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;\
         UseDevelopmentEmulator=true;"
    )
}

async fn start_hub(
    address: &HubAddress,
    options: &Options,
    shared: &Shared,
) -> Result<(Arc<Hub>, Arc<HubControl>, Value), StartError> {
    let (https, https_port) = bind(address.ip, options.https_port).await?;
    let (mqtt, mqtt_port) = bind(address.ip, options.mqtt_port).await?;
    let host_name = address.host_name(https_port);
    let (emitter, switches) = (Arc::clone(&shared.emitter), Arc::clone(&shared.switches));
    let hub = Arc::new(Hub::new(address.name(), &host_name, options.key_seed.as_deref(), emitter, switches));
    let control = Arc::new(HubControl::default());
    control.throttles().set(options.throttling(address.name()));
    let acceptor = TlsAcceptor::from(tls::server(&shared.authority, &[&address.dns], address.ip)?);
    let service = Arc::new(Service::new(Arc::clone(&hub), Arc::clone(&control)));
    let door = |listener| Door {
        listener,
        acceptor: acceptor.clone(),
        control: Arc::clone(&control),
        stop: shared.stop.clone(),
    };
    tokio::spawn(service::serve(door(https), service));
    tokio::spawn(mqtt::serve(door(mqtt), Arc::clone(&hub)));
    let key = hub.policy("iothubowner").map(|policy| policy.keys.primary.clone()).unwrap_or_default();
    let line = json!({"hostName": host_name, "name": hub.name, "https": https_port, "mqtt": mqtt_port,
        "connectionString": format!("HostName={host_name};SharedAccessKeyName=iothubowner;SharedAccessKey={key}")});
    Ok((hub, control, line))
}

fn refuse_same_names(hubs: &[HubAddress]) -> Result<(), StartError> {
    for (at, hub) in hubs.iter().enumerate() {
        if hubs.iter().skip(at + 1).any(|other| other.name().eq_ignore_ascii_case(hub.name())) {
            return Err(StartError::SameName(hub.name().to_owned()));
        }
    }
    Ok(())
}

fn refuse_lost_tiers(options: &Options) -> Result<(), StartError> {
    let named = options.tiers.iter().filter_map(|tier| tier.hub.as_ref());
    let known = |name: &str| options.hubs.iter().any(|hub| hub.name().eq_ignore_ascii_case(name));
    named.filter(|name| !known(name)).try_for_each(|name| Err(StartError::NoSuchHub(name.clone())))
}

async fn bind(ip: IpAddr, port: u16) -> Result<(TcpListener, u16), StartError> {
    let failed = |error| StartError::Port(ip, port, error);
    let listener = TcpListener::bind((ip, port)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

async fn bind_plain(port: u16) -> Result<(TcpListener, String), StartError> {
    let (listener, port) = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), port).await?;
    Ok((listener, format!("http://127.0.0.1:{port}")))
}
