//! What a device hears that speaks AMQP: not this, in AMQP, so that its client shows the reason at once.

use bytes::BytesMut;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::connection::greet;
use super::frame::{self, Kind, Reader};
use super::performative::{self, Failure};
use crate::accept::Door;

/// How every protocol header of AMQP begins.
pub(crate) const BEGINNING: &[u8; 4] = b"AMQP";

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is not there, and what is.
const REASON: &str = "AMQP for devices is not supported by this emulator: MQTT is, also over WebSockets";

/// Refuses whoever comes until everything stops.
pub(crate) async fn serve_refusals(door: Door) {
    door.serve(|stream, _| refuse(BytesMut::new(), stream)).await;
}

/// Opens a connection whose first bytes are in `heard`, and closes it with the reason.
pub(crate) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(heard: BytesMut, stream: S) {
    let (reader, mut writer) = tokio::io::split(stream);
    let refused = tokio::time::timeout(PATIENCE, say(Reader::after(heard, reader), &mut writer)).await;
    tracing::info!(?refused, "{REASON}");
    let _closed = tokio::time::timeout(PATIENCE, writer.shutdown()).await;
}

async fn say<R, W>(mut reader: Reader<R>, writer: &mut W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    greet(&mut reader, writer).await?;
    // Its open: some clients take none before they have sent theirs.
    reader.frame().await?;
    let mut out = BytesMut::new();
    let failure = Failure::new("amqp:not-implemented", REASON);
    for said in [performative::open(0, frame::SMALLEST_LIMIT, 0), performative::close(Some(&failure))] {
        frame::put(&mut out, Kind::Amqp, 0, Some(&said), &[]);
    }
    writer.write_all(&out).await?;
    writer.flush().await?;
    // Until it has closed too: what is still under way must not reset the connection before it has read why.
    while reader.frame().await.is_ok() {}
    Ok(())
}
