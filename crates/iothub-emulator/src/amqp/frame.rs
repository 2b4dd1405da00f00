//! Frames: a size, where the body begins, a type and a channel, then the body.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::encode;
use super::value::Value;

/// Largest frame taken and sent, in bytes; what the service announces (read in recorded traffic of its clients).
pub(crate) const LARGEST: u32 = 65_536;

/// Largest frame before a peer has announced its own limit, and the least it may announce (specification, 2.7.1).
pub(crate) const SMALLEST_LIMIT: u32 = 512;

/// Bytes in front of the body.
const HEADER: usize = 8;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Amqp,
    Sasl,
}

/// A frame that came in. One without a body only says that the peer is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) channel: u16,
    pub(crate) body: Bytes,
}

/// Frames and protocol headers of a connection. Reading may be given up at any await and taken up again.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    io: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(io: R) -> Self {
        Self::after(BytesMut::new(), io)
    }

    /// Goes on behind what was read already.
    pub(crate) fn after(buffer: BytesMut, io: R) -> Self {
        Self { io, buffer }
    }

    /// The eight bytes with which a protocol begins.
    pub(crate) async fn header(&mut self) -> io::Result<[u8; 8]> {
        while self.buffer.len() < HEADER {
            self.fill().await?;
        }
        let mut header = [0; 8];
        self.buffer.copy_to_slice(&mut header);
        Ok(header)
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = take(&mut self.buffer)? {
                return Ok(frame);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(4096);
        match self.io.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A frame from the front of these bytes, once all of it is there.
pub(crate) fn take(buffer: &mut BytesMut) -> io::Result<Option<Frame>> {
    let broken = |why| io::Error::new(io::ErrorKind::InvalidData, why);
    let Some(size) = buffer.first_chunk::<4>().map(|size| u32::from_be_bytes(*size)) else { return Ok(None) };
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    if size > LARGEST || length < HEADER {
        return Err(broken("a frame of a size that was not agreed"));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut frame = buffer.split_to(length).freeze();
    frame.advance(4);
    let (offset, kind, channel) = (usize::from(frame.get_u8()) * 4, frame.get_u8(), frame.get_u16());
    let kind = match kind {
        0 => Kind::Amqp,
        1 => Kind::Sasl,
        _ => return Err(broken("a frame of an unknown type")),
    };
    if offset < HEADER || offset > length {
        return Err(broken("a frame whose body begins elsewhere"));
    }
    frame.advance(offset - HEADER);
    Ok(Some(Frame { kind, channel, body: frame }))
}

/// Appends a frame.
pub(crate) fn put(
    out: &mut BytesMut,
    kind: Kind,
    channel: u16,
    performative: Option<&Value>,
    payload: &[u8],
) {
    tracing::trace!(channel, ?performative, payload = payload.len(), "said");
    let mut body = BytesMut::new();
    if let Some(performative) = performative {
        encode::value(performative, &mut body);
    }
    out.put_u32(u32::try_from(HEADER + body.len() + payload.len()).unwrap_or(u32::MAX));
    out.put_u8(2);
    out.put_u8(if kind == Kind::Sasl { 1 } else { 0 });
    out.put_u16(channel);
    out.extend_from_slice(&body);
    out.extend_from_slice(payload);
}
