//! A device protocol server of a few packets, that keeps what it was sent.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

/// How the broker behaves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// Refuses the connection with this code.
    Refuse(u8),
    /// Answers a patch with this topic, `$rid` filled in, and this body.
    Answer(&'static str, &'static str),
    /// Takes a patch and is silent.
    Silence,
    /// Takes a patch and closes.
    Close,
}

/// A packet as it came: its first byte and the rest.
pub(super) type Packet = (u8, Vec<u8>);

pub(super) struct Broker {
    pub(super) settings: HubSettings,
    pub(super) network: Network,
    received: Arc<Mutex<Vec<Vec<Packet>>>>,
}

impl Broker {
    /// One manner per session; the last one stays.
    pub(super) async fn start(manners: &'static [Manner]) -> Self {
        let (acceptor, network) = trust();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = HubSettings { mqtt_port: listener.local_addr().unwrap().port(), ..settings(1) };
        let received = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(serve(listener, acceptor, manners, received.clone()));
        Self { settings, network, received }
    }

    pub(super) fn client(&self, limits: Limits) -> HubClient {
        HubClient::new(self.settings.clone(), &self.network, limits).unwrap()
    }

    /// Packets by session.
    pub(super) fn received(&self) -> Vec<Vec<Packet>> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    manners: &'static [Manner],
    received: Arc<Mutex<Vec<Vec<Packet>>>>,
) {
    for session in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let manner = manners.get(session).or(manners.last()).copied().unwrap();
        received.lock().unwrap().push(Vec::new());
        let (acceptor, received) = (acceptor.clone(), received.clone());
        tokio::spawn(async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            while let Some(packet) = read(&mut stream).await {
                let done = reply(&mut stream, &packet, manner).await;
                received.lock().unwrap()[session].push(packet);
                if done {
                    break;
                }
            }
        });
    }
}

async fn read(stream: &mut TlsStream<TcpStream>) -> Option<Packet> {
    let first = stream.read_u8().await.ok()?;
    let (mut length, mut shift) = (0usize, 0);
    loop {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await.ok()?;
    Some((first, rest))
}

/// Whether the session is over.
async fn reply(stream: &mut TlsStream<TcpStream>, (first, rest): &Packet, manner: Manner) -> bool {
    match (first >> 4, manner) {
        (1, Manner::Refuse(code)) => {
            stream.write_all(&[0x20, 2, 0, code]).await.unwrap();
            return true;
        }
        (1, _) => stream.write_all(&[0x20, 2, 0, 0]).await.unwrap(),
        (8, _) => stream.write_all(&[0x90, 3, rest[0], rest[1], 0]).await.unwrap(),
        (3, Manner::Answer(topic, body)) => {
            let mut packet = vec![0x30, (2 + topic.len() + body.len()) as u8, 0, topic.len() as u8];
            packet.extend(topic.bytes().chain(body.bytes()));
            assert!(packet.len() < 128);
            stream.write_all(&packet).await.unwrap();
        }
        (3, Manner::Close) => return true,
        (14, _) => return true,
        _ => {}
    }
    false
}
