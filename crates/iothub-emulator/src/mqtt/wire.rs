//! Packets over a stream of bytes.

use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::packet::{self, Incoming, MAX_PACKET, Malformed};
use crate::amqp;

/// How long closing may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The device said so, or closed.
    ByDevice,
    /// Nothing was heard for one and a half times the keep-alive.
    Silent,
    /// The bytes were no packet, or a packet out of place.
    Protocol,
    /// It speaks AMQP.
    Amqp,
    /// Not let in.
    Refused,
    /// Another connection took over, the identity was disabled or deleted, the token expired, or the hub refuses.
    ByHub,
    /// More messages than the hub's tier takes.
    Throttled,
    /// A fault that was asked for.
    Fault,
    /// The network.
    Io,
}

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Self::Io
    }
}

impl From<Malformed> for Ended {
    fn from(_: Malformed) -> Self {
        Self::Protocol
    }
}

/// A stream of packets. The bytes may come over TLS or in a WebSocket.
pub(super) struct Wire<S> {
    stream: S,
    buffer: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(4096) }
    }

    /// The next packet; can be cancelled without losing bytes.
    pub(super) async fn next(&mut self) -> Result<Incoming, Ended> {
        loop {
            // Where a packet begins this is none.
            if self.buffer.starts_with(amqp::BEGINNING) {
                return Err(Ended::Amqp);
            }
            if let Some(packet) = packet::take(&mut self.buffer)? {
                return Ok(packet);
            }
            if self.buffer.len() > MAX_PACKET {
                return Err(Ended::Protocol);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Ended::ByDevice);
            }
        }
    }

    /// What was read and is no packet, and the stream.
    pub(super) fn into_parts(self) -> (BytesMut, S) {
        (self.buffer, self.stream)
    }

    /// Never answers; ends when the device gives up.
    pub(super) async fn hang(&mut self) -> Ended {
        loop {
            self.buffer.clear();
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Ended::ByDevice,
                Ok(_) => {}
                Err(_) => return Ended::Io,
            }
        }
    }

    pub(super) async fn send(&mut self, packet: Bytes) -> Result<(), Ended> {
        self.stream.write_all(&packet).await?;
        Ok(self.stream.flush().await?)
    }

    /// Closes; a client that takes nothing any more must not keep the connection.
    pub(super) async fn close(&mut self) {
        let _closing = tokio::time::timeout(GOODBYE, self.stream.shutdown()).await;
    }
}
