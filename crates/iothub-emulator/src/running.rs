//! Everything started and wired together.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::accept::Door;
use crate::amqp::{self, EventHubs};
use crate::authority::{Authority, AuthorityError};
use crate::cli::{self, AuthorityDir, HubAddress, Options};
use crate::control::{self, ControlPort, HubControl};
use crate::data::Data;
use crate::events::{self, Emitter};
use crate::hosts::Hosts;
use crate::journal::JournalError;
use crate::listeners;
use crate::mqtt;
use crate::service::{self, Service};
pub use crate::start_error::StartError;
use crate::store::{Hub, Switches};
use crate::tls::{self, TlsError};

/// The usual port of MQTT over TLS.
const MQTT_PORT: u16 = 8883;

/// The usual port of AMQP over TLS.
const AMQPS_PORT: u16 = 5671;

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
    refuse_reachable(options)?;
    let shared = Shared {
        authority: authority(&options.authority)?,
        emitter: Arc::new(Emitter::with_retention(options.partitions, options.retention_mib)),
        switches: Arc::default(),
        stop: CancellationToken::new(),
    };
    let https = listeners::open(&options.hubs, options.https_port)?;
    let mqtt = listeners::open(&options.hubs, options.mqtt_port)?;
    let mut data = open_data(options, &shared.emitter)?;
    let mut services = Vec::new();
    let mut lines = Vec::new();
    for (at, address) in options.hubs.iter().enumerate() {
        let ports = Ports::of(at, &https, &mqtt);
        let service = hub(address, &ports, options, &shared, data.as_mut())?;
        refuse_same_host(&services, &service)?;
        lines.push(line(&service.hub, &ports));
        services.push(service);
    }
    let amqp_port = start_event_hubs(options, &shared)?;
    for listener in https {
        tokio::spawn(service::serve(shared.door(listener, options, &services)?));
    }
    for listener in mqtt {
        tokio::spawn(mqtt::serve(shared.door(listener, options, &services)?));
    }
    for listener in open_amqps(options)? {
        tokio::spawn(amqp::serve_refusals(shared.door(listener, options, &services)?));
    }
    let hubs =
        services.iter().map(|service| (Arc::clone(&service.hub), Arc::clone(&service.control))).collect();
    let ip = control_address(options);
    let (logs, logs_url) = bind_plain(ip, 0)?;
    let (listener, control_url) = bind_plain(ip, options.control_port)?;
    if let Some(data) = data {
        let (hubs, emitter) =
            (services.iter().map(|service| Arc::clone(&service.hub)).collect(), Arc::clone(&shared.emitter));
        tokio::spawn(data.compact(options.partitions, hubs, emitter, shared.stop.clone()));
    }
    tokio::spawn(events::serve(logs, Arc::clone(&shared.emitter), shared.stop.clone()));
    tokio::spawn(events::let_go_late(Arc::clone(&shared.emitter), shared.stop.clone()));
    let port = ControlPort { hubs, emitter: shared.emitter, switches: shared.switches };
    for switch in &options.switches {
        port.set_switch(&switch.name, &switch.value).map_err(StartError::Switch)?;
    }
    tokio::spawn(control::serve(listener, port, shared.stop.clone()));
    let ready = json!({"hubs": lines, "eventHubs": event_hubs(options, amqp_port), "eventLogs": logs_url,
        "control": control_url, "caFile": shared.authority.file()});
    Ok(Running { ready, stop: shared.stop })
}

/// Where AMQP of devices is refused: on the port that was asked for, or on the usual one if it can be had.
fn open_amqps(options: &Options) -> Result<Vec<listeners::Shared>, StartError> {
    match options.amqps_port {
        Some(port) => listeners::open(&options.hubs, port),
        None if options.mqtt_port != MQTT_PORT => Ok(Vec::new()),
        None => Ok(listeners::open(&options.hubs, AMQPS_PORT).unwrap_or_else(|error| {
            tracing::info!(%error, "AMQP of devices is not answered");
            Vec::new()
        })),
    }
}

/// The directory that everything is kept in, if one was asked for, with what it has.
fn open_data(options: &Options, emitter: &Emitter) -> Result<Option<Data>, JournalError> {
    let Some(directory) = &options.data else { return Ok(None) };
    let slack = u64::from(options.data_slack_mib) << 20;
    let names: Vec<&str> = options.hubs.iter().map(HubAddress::name).collect();
    Data::open(directory, slack, options.partitions, &names, emitter).map(Some)
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
fn start_event_hubs(options: &Options, shared: &Shared) -> Result<u16, StartError> {
    let event_hubs = EventHubs::new(Arc::clone(&shared.emitter), shared.stop.clone());
    let mut first = None;
    for ip in options.hubs.iter().map(|hub| hub.ip).collect::<BTreeSet<IpAddr>>() {
        let (listener, port) = listeners::bind(ip, options.amqp_port)?;
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
    let host = reached_here(ip);
    let endpoint = if port == 5672 { host } else { format!("{host}:{port}") };
    format!(
        "Endpoint=sb://{endpoint};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;\
         UseDevelopmentEmulator=true;"
    )
}

/// Where one hub listens.
struct Ports {
    https: u16,
    mqtt: u16,
    /// No other hub listens there: its address means it.
    alone: bool,
}

impl Ports {
    fn of(hub: usize, https: &[listeners::Shared], mqtt: &[listeners::Shared]) -> Self {
        let (https, mqtt) = (listeners::of(https, hub), listeners::of(mqtt, hub));
        let port = |shared: Option<&listeners::Shared>| shared.map_or(0, |shared| shared.port);
        let alone = |shared: Option<&listeners::Shared>| shared.is_some_and(|shared| shared.hubs.len() == 1);
        Self { https: port(https), mqtt: port(mqtt), alone: alone(https) && alone(mqtt) }
    }
}

fn hub(
    address: &HubAddress,
    ports: &Ports,
    options: &Options,
    shared: &Shared,
    data: Option<&mut Data>,
) -> Result<Arc<Service>, JournalError> {
    let host_name = address.host_name(ports.https);
    let (emitter, switches) = (Arc::clone(&shared.emitter), Arc::clone(&shared.switches));
    let hub = Hub::new(address.name(), &host_name, options.key_seed.as_deref(), emitter, switches)
        .called(address.other_names(&[ports.https, ports.mqtt], ports.alone));
    let hub = match data {
        Some(data) => data.restore(hub, options.key_seed.is_none())?,
        None => hub,
    };
    let control = Arc::new(HubControl::default());
    control.throttles().set(options.throttling(address.name()));
    Ok(Arc::new(Service::new(Arc::new(hub), control)))
}

fn line(hub: &Hub, ports: &Ports) -> Value {
    let key = hub.policy("iothubowner").map(|policy| policy.keys.primary.clone()).unwrap_or_default();
    let host_name = &hub.host_name;
    json!({"hostName": host_name, "name": hub.name, "https": ports.https, "mqtt": ports.mqtt,
        "connectionString": format!("HostName={host_name};SharedAccessKeyName=iothubowner;SharedAccessKey={key}")})
}

impl Shared {
    /// What serves a listener: its certificate is for all hubs there.
    fn door(
        &self,
        listener: listeners::Shared,
        options: &Options,
        services: &[Arc<Service>],
    ) -> Result<Door, TlsError> {
        let of_listener = |at: &usize| Some((options.hubs.get(*at)?, services.get(*at)?));
        let (addresses, services): (Vec<_>, Vec<_>) = listener.hubs.iter().filter_map(of_listener).unzip();
        let names: Vec<&str> = addresses.iter().map(|address| address.dns.as_str()).collect();
        let tls = tls::server(&self.authority, &names, listener.ip)?;
        let hosts = Hosts::new(services.into_iter().cloned().collect());
        Ok(Door { listener: listener.listener, tls, hosts, stop: self.stop.clone() })
    }
}

/// Connection strings must tell hubs apart.
fn refuse_same_host(earlier: &[Arc<Service>], service: &Service) -> Result<(), StartError> {
    let host = &service.hub.host_name;
    let taken = earlier.iter().any(|other| other.hub.host_name.eq_ignore_ascii_case(host));
    if taken { Err(StartError::SameHost(host.clone())) } else { Ok(()) }
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

fn bind_plain(ip: IpAddr, port: u16) -> Result<(TcpListener, String), StartError> {
    let (listener, port) = listeners::bind(ip, port)?;
    Ok((listener, format!("http://{}:{port}", reached_here(ip))))
}

/// Where the control port and the event logs listen: with the hubs when those go beyond this machine.
fn control_address(options: &Options) -> IpAddr {
    let first = options.hubs.first().map(|hub| hub.ip).filter(|_| options.beyond_loopback);
    first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// A listener's address as a host that this machine reaches it by.
fn reached_here(ip: IpAddr) -> String {
    if ip.is_unspecified() { "localhost".to_owned() } else { cli::as_host(ip) }
}

fn refuse_reachable(options: &Options) -> Result<(), StartError> {
    let reachable = options.hubs.iter().map(|hub| hub.ip).find(|ip| !ip.is_loopback());
    reachable.filter(|_| !options.beyond_loopback).map_or(Ok(()), |ip| Err(StartError::Reachable(ip)))
}
