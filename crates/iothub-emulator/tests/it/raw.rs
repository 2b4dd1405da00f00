//! MQTT by hand, for what no client does.

use super::device::Pass;
use super::over_tls::World;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Long enough for anything that is to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to the MQTT port.
pub(crate) struct Raw(TlsStream<TcpStream>);

/// A CONNECT whose every part can be wrong.
pub(crate) struct Connect<'a> {
    pub(crate) name: &'a str,
    pub(crate) level: u8,
    pub(crate) flags: u8,
    pub(crate) keep_alive: u16,
    pub(crate) client_id: &'a str,
    pub(crate) will: Option<(&'a str, &'a str)>,
    pub(crate) user_name: &'a str,
    pub(crate) password: &'a str,
}

impl<'a> Connect<'a> {
    /// One that is let in, as the official clients send it: clean session 0.
    pub(crate) fn with(client_id: &'a str, pass: &'a Pass) -> Self {
        let (user_name, password) = (pass.user_name.as_str(), pass.password.as_str());
        let (name, level, flags, keep_alive, will) = ("MQTT", 4, 0xc0, 60, None);
        Self { name, level, flags, keep_alive, client_id, will, user_name, password }
    }

    fn packet(&self) -> Vec<u8> {
        let mut body = text(self.name);
        body.extend([self.level, self.flags]);
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(text(self.client_id));
        for part in self.will.iter().flat_map(|(topic, message)| [topic, message]) {
            body.extend(text(part));
        }
        body.extend(text(self.user_name));
        body.extend(text(self.password));
        packet(0x10, &body)
    }
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    while length >= 128 {
        packet.push(u8::try_from(length % 128).unwrap() | 0x80);
        length /= 128;
    }
    packet.push(u8::try_from(length).unwrap());
    packet.extend(body);
    packet
}

impl World {
    pub(crate) async fn raw(&self) -> Raw {
        let port = u16::try_from(self.running.ready["hubs"][0]["mqtt"].as_u64().unwrap()).unwrap();
        Raw(self.tls_to("127.0.0.1", port, "127.0.0.1").await)
    }

    /// The CONNACK: session present and code; `None` when the connection is closed without one.
    pub(crate) async fn connack(&self, connect: &Connect<'_>) -> (Raw, Option<[u8; 2]>) {
        let mut raw = self.raw().await;
        raw.send(&connect.packet()).await;
        let answer = raw.receive(4).await.map(|answer| [answer[2], answer[3]]);
        (raw, answer)
    }
}

impl Raw {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// So many bytes; `None` when the connection is closed before.
    pub(crate) async fn receive(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = tokio::time::timeout(PATIENCE, self.0.read_exact(&mut bytes)).await.unwrap();
        read.ok().map(|_| bytes)
    }

    /// However long that takes.
    pub(crate) async fn until_closed(&mut self) {
        let _end = self.0.read_to_end(&mut Vec::new()).await;
    }

    pub(crate) async fn closed(&mut self) -> bool {
        self.receive(1).await.is_none()
    }
}
