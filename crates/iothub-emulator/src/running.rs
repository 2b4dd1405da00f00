//! Everything started and wired together.

use serde_json::{Value, json};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::accept::Door;
use crate::cli::{HubAddress, Options};
use crate::control::{self, ControlPort, HubControl};
use crate::events::{self, Emitter};
use crate::mqtt;
use crate::service::{self, Service};
use crate::store::{Hub, Switches};
use crate::tls::{Authority, TlsError};

/// Why the emulator did not start.
#[derive(Debug)]
pub enum StartError {
    /// A port is taken, or a file cannot be written: what, and why.
    Io(String, io::Error),
    /// No certificates.
    Tls(TlsError),
    /// Two hubs share a name.
    SameName(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::SameName(name) => write!(f, "two hubs are called {name}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
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
/// When a port is taken, the authority's file cannot be written or two hubs share a name.
pub async fn start(options: &Options) -> Result<Running, StartError> {
    refuse_same_names(&options.hubs)?;
    let shared = Shared {
        authority: Authority::new()?,
        emitter: Arc::new(Emitter::new(options.partitions)),
        switches: Arc::default(),
        stop: CancellationToken::new(),
    };
    let ca_file = write_authority(options.ca_dir.as_deref(), &shared.authority)?;
    let mut hubs = Vec::new();
    let mut lines = Vec::new();
    for address in &options.hubs {
        let (hub, control, line) = start_hub(address, options, &shared).await?;
        hubs.push((hub, control));
        lines.push(line);
    }
    let (logs, logs_url) = bind_plain(0).await?;
    let (listener, control_url) = bind_plain(options.control_port).await?;
    tokio::spawn(events::serve(logs, Arc::clone(&shared.emitter), shared.stop.clone()));
    let port = ControlPort { hubs, emitter: shared.emitter, switches: shared.switches };
    tokio::spawn(control::serve(listener, port, shared.stop.clone()));
    let ready = json!({"hubs": lines, "eventHubs": EVENT_HUBS, "eventLogs": logs_url, "control": control_url,
        "caFile": ca_file});
    Ok(Running { ready, stop: shared.stop })
}

/// The form of an Event Hubs connection string; the logs themselves are read over plain HTTP.
const EVENT_HUBS: &str = "Endpoint=sb://127.0.0.1;SharedAccessKeyName=RootManageSharedAccessKey;\
                          SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;";

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
    let acceptor = shared.authority.acceptor(&address.dns, address.ip)?;
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

async fn bind(ip: IpAddr, port: u16) -> Result<(TcpListener, u16), StartError> {
    let failed = |error| StartError::Io(format!("cannot listen on {ip}:{port}"), error);
    let listener = TcpListener::bind((ip, port)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

async fn bind_plain(port: u16) -> Result<(TcpListener, String), StartError> {
    let (listener, port) = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), port).await?;
    Ok((listener, format!("http://127.0.0.1:{port}")))
}

fn write_authority(directory: Option<&Path>, authority: &Authority) -> Result<PathBuf, StartError> {
    let made = || std::env::temp_dir().join(format!("iothub-emulator-{}", uuid::Uuid::new_v4().simple()));
    let directory = directory.map_or_else(made, Path::to_path_buf);
    let file = directory.join("ca.pem");
    let written = std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(&file, authority.pem()));
    written.map_err(|error| StartError::Io(format!("cannot write {}", file.display()), error))?;
    // A relative path would mean something else to whoever reads the ready line elsewhere.
    Ok(std::path::absolute(&file).unwrap_or(file))
}
