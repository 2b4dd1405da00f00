//! One connection: protocol headers, SASL, then frames until it ends.

use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::decode;
use super::engine::{Engine, IDLE};
use super::frame::{self, Kind, Reader};
use super::owners::Owners;
use super::performative::Failure;
use super::value::Value;
use crate::events::Emitter;

/// How long a client may take until it has opened its connection.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// How long a client may leave what was sent to it unread.
const UNREAD: Duration = Duration::from_secs(240);

/// The most often that a client is told that we are here.
const QUICKEST_BEAT: Duration = Duration::from_secs(1);

const PLAIN_HEADER: &[u8; 8] = b"AMQP\x00\x01\x00\x00";
const SASL_HEADER: &[u8; 8] = b"AMQP\x03\x01\x00\x00";

/// What official clients choose from. Who they are does not matter here.
const MECHANISMS: [&str; 4] = ["ANONYMOUS", "MSSBCBS", "PLAIN", "EXTERNAL"];

/// Speaks with one client until it goes, or until `stop`.
///
/// # Errors
/// When the client breaks off, is silent for too long or does not speak AMQP.
pub(crate) async fn converse<R, W>(
    reader: R,
    mut writer: W,
    emitter: Arc<Emitter>,
    owners: Arc<Owners>,
    stop: &CancellationToken,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut reader = Reader::new(reader);
    let deadline = Instant::now() + HANDSHAKE;
    tokio::time::timeout_at(deadline, greet(&mut reader, &mut writer)).await??;
    let (wake, grown) = (Arc::new(Notify::new()), emitter.grown());
    let engine = Engine::new(emitter, owners, Arc::clone(&wake));
    Connection { reader, writer, engine, wake, grown, deadline }.run(stop).await
}

/// Agrees on the protocol; SASL comes first unless the client leaves it out.
pub(super) async fn greet<R, W>(reader: &mut Reader<R>, writer: &mut W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut header = reader.header().await?;
    if header == *SASL_HEADER {
        writer.write_all(SASL_HEADER).await?;
        writer.flush().await?;
        sasl(reader, writer).await?;
        header = reader.header().await?;
    }
    if header == *PLAIN_HEADER {
        writer.write_all(PLAIN_HEADER).await?;
        return writer.flush().await;
    }
    // The answer to a protocol that is not spoken is the one that is (specification, 2.2).
    writer.write_all(SASL_HEADER).await?;
    writer.flush().await?;
    Err(io::Error::new(io::ErrorKind::InvalidData, "another protocol"))
}

async fn sasl<R, W>(reader: &mut Reader<R>, writer: &mut W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mechanisms = Value::Array(MECHANISMS.map(Value::symbol).into());
    say(writer, &Value::composite(0x40, vec![mechanisms])).await?;
    let frame = reader.frame().await?;
    let chosen = chosen(frame.body).filter(|chosen| MECHANISMS.contains(&chosen.as_str()));
    let outcome = u8::from(frame.kind != Kind::Sasl || chosen.is_none());
    say(writer, &Value::composite(0x44, vec![Value::Ubyte(outcome), Value::Null])).await?;
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::PermissionDenied, "no mechanism that is offered")),
    }
}

fn chosen(mut body: Bytes) -> Option<String> {
    let init = decode::value(&mut body).ok().filter(|value| value.code() == Some(0x41))?;
    init.bare().field(0).as_str().map(str::to_owned)
}

async fn say<W: AsyncWrite + Unpin>(writer: &mut W, value: &Value) -> io::Result<()> {
    let mut out = BytesMut::new();
    frame::put(&mut out, Kind::Sasl, 0, Some(value), &[]);
    writer.write_all(&out).await?;
    writer.flush().await
}

struct Connection<R, W> {
    reader: Reader<R>,
    writer: W,
    engine: Engine,
    wake: Arc<Notify>,
    grown: watch::Receiver<()>,
    /// When the client must have been heard of.
    deadline: Instant,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    async fn run(mut self, stop: &CancellationToken) -> io::Result<()> {
        let mut beat = Instant::now() + QUICKEST_BEAT;
        while !self.engine.closed {
            // Before the logs are looked at: what grows from now on is looked at again.
            self.grown.borrow_and_update();
            let sent = self.engine.pump();
            self.flush().await?;
            let due = self.engine.peer_idle.map(|idle| beat + (idle / 2).max(QUICKEST_BEAT));
            tokio::select! {
                frame = self.reader.frame() => {
                    self.engine.hear(frame?);
                    if self.engine.opened() {
                        self.deadline = Instant::now() + IDLE * 2;
                    }
                }
                _ = self.grown.changed() => {}
                () = self.wake.notified() => {}
                () = std::future::ready(()), if sent => {}
                () = at(due) => {
                    self.engine.beat();
                    beat = Instant::now();
                }
                () = tokio::time::sleep_until(self.deadline) => return Err(io::ErrorKind::TimedOut.into()),
                () = stop.cancelled() => {
                    self.engine.close(Some(&Failure::new("amqp:connection:forced", "The emulator stops")));
                }
            }
        }
        self.flush().await?;
        self.writer.shutdown().await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.engine.out.is_empty() {
            return Ok(());
        }
        tokio::time::timeout(UNREAD, self.writer.write_all(&self.engine.out)).await??;
        self.engine.out.clear();
        Ok(())
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
