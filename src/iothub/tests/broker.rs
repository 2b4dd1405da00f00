//! A device protocol server of a few packets, that keeps what it was sent.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
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
    /// Freezes the whole process when the client has begun TLS.
    FreezeInTls(Duration),
    /// Freezes the whole process before it takes the subscription.
    FreezeInSubscribe(Duration),
}

/// A packet as it came: its first byte and the rest.
pub(super) type Packet = (u8, Vec<u8>);

type Received = Arc<Mutex<Vec<Vec<Packet>>>>;

pub(super) struct Broker {
    pub(super) settings: HubSettings,
    pub(super) network: Network,
    received: Received,
    ended: watch::Receiver<HashSet<usize>>,
}

impl Broker {
    /// One manner per session; the last one stays.
    pub(super) async fn start(manners: &'static [Manner]) -> Self {
        let (acceptor, network) = trust();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = HubSettings { mqtt_port: listener.local_addr().unwrap().port(), ..settings(1) };
        let received = Arc::new(Mutex::new(Vec::new()));
        let (over, ended) = watch::channel(HashSet::new());
        tokio::spawn(serve(listener, acceptor, manners, (received.clone(), over)));
        Self { settings, network, received, ended }
    }

    pub(super) fn client(&self, limits: Limits) -> HubClient {
        HubClient::new(self.settings.clone(), &self.network, limits).unwrap()
    }

    /// Returns when nothing more can come in this session.
    pub(super) async fn ended(&self, session: usize) {
        self.ended.clone().wait_for(|ended| ended.contains(&session)).await.unwrap();
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
    (received, over): (Received, watch::Sender<HashSet<usize>>),
) {
    for session in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let manner = manners.get(session).or(manners.last()).copied().unwrap();
        received.lock().unwrap().push(Vec::new());
        let (acceptor, received, over) = (acceptor.clone(), received.clone(), over.clone());
        tokio::spawn(async move {
            if let Manner::FreezeInTls(long) = manner {
                stream.readable().await.unwrap();
                freeze(long);
            }
            if let Ok(mut stream) = acceptor.accept(stream).await {
                while let Some(packet) = read(&mut stream).await {
                    let done = reply(&mut stream, &packet, manner).await;
                    received.lock().unwrap()[session].push(packet);
                    if done {
                        break;
                    }
                }
            }
            over.send_modify(|ended| {
                ended.insert(session);
            });
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
        (8, _) => {
            if let Manner::FreezeInSubscribe(long) = manner {
                freeze(long);
            }
            stream.write_all(&[0x90, 3, rest[0], rest[1], 0]).await.unwrap();
        }
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
