//! The ports that hubs listen on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

use crate::cli::HubAddress;
use crate::start_error::StartError;

/// How many connections may wait to be accepted: the most that Linux allows unless it is told otherwise.
const BACKLOG: u32 = 4096;

/// A port, and the hubs that are served on it, by their place on the command line.
pub(crate) struct Shared {
    pub(crate) ip: IpAddr,
    pub(crate) listener: TcpListener,
    pub(crate) port: u16,
    pub(crate) hubs: Vec<usize>,
}

/// One listener per address; when any free port will do, one per hub.
pub(crate) fn open(hubs: &[HubAddress], port: u16) -> Result<Vec<Shared>, StartError> {
    let mut all: Vec<Shared> = Vec::new();
    for (at, hub) in hubs.iter().enumerate() {
        match all.iter_mut().find(|shared| port != 0 && shared.ip == hub.ip) {
            Some(shared) => shared.hubs.push(at),
            None => {
                let (listener, port) = bind(hub.ip, port)?;
                all.push(Shared { ip: hub.ip, listener, port, hubs: vec![at] });
            }
        }
    }
    Ok(all)
}

/// The one a hub is served on.
pub(crate) fn of(all: &[Shared], hub: usize) -> Option<&Shared> {
    all.iter().find(|shared| shared.hubs.contains(&hub))
}

/// A listener and the port it got.
pub(crate) fn bind(ip: IpAddr, port: u16) -> Result<(TcpListener, u16), StartError> {
    let failed = |error| StartError::Port(ip, port, error);
    let listener = listen(SocketAddr::new(ip, port)).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    Ok((listener, port))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
