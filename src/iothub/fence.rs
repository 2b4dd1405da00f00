//! The last look at the lease, where bytes leave: a process may be frozen between any two of its steps.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::Deadline;

/// Nothing may be sent any more.
#[derive(Debug)]
pub(crate) struct NotSent;

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time to send was over")
    }
}

impl std::error::Error for NotSent {}

/// The body of a request, given out only while the request may be sent.
///
/// The client asks for it when it has a connection, and sends the head together with the first of it: a request that was
/// frozen while it waited for a connection does not leave. A request without a body has no such look; the only one of
/// them that writes is a DELETE, and its ETag fences it.
#[derive(Debug)]
pub(crate) struct FencedBody {
    data: Option<Bytes>,
    deadline: Deadline,
}

impl FencedBody {
    pub(crate) fn new(data: Bytes, deadline: Deadline) -> Self {
        Self { data: Some(data), deadline }
    }
}

impl Body for FencedBody {
    type Data = Bytes;
    type Error = NotSent;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NotSent>>> {
        if self.data.is_some() && self.deadline.is_over() {
            return Poll::Ready(Some(Err(NotSent)));
        }
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// A connection on which nothing is written once the time to send is over.
#[derive(Debug)]
pub(crate) struct FencedStream<S> {
    stream: S,
    deadline: Deadline,
    refused: Arc<AtomicBool>,
}

impl<S> FencedStream<S> {
    /// `refused` is set when a write was refused.
    pub(crate) fn new(stream: S, deadline: Deadline, refused: Arc<AtomicBool>) -> Self {
        Self { stream, deadline, refused }
    }

    fn may_send(&self) -> io::Result<()> {
        if self.deadline.is_over() {
            self.refused.store(true, Ordering::Relaxed);
            return Err(io::Error::other(NotSent));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FencedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FencedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.may_send()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
