//! A plain keep-alive load loop: the same request again and again on each connection, the next one
//! when the answer is whole. No HTTP library, so that the client is not what is measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::LabError;

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 16;

/// Latencies of every answered request, sorted.
#[derive(Debug, Default)]
pub(crate) struct Load {
    latencies: Vec<Duration>,
    seconds: f64,
}

impl Load {
    /// Answered requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }

    /// The latency that this share of requests stays under, in microseconds.
    pub(crate) fn quantile(&self, share: f64) -> u128 {
        let rank = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(rank).or(self.latencies.last()).map_or(0, Duration::as_micros)
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self.seconds += other.seconds;
        self
    }
}

/// `GET path` on every connection for `seconds`.
///
/// # Errors
/// When the server is not there, or answers anything but 200.
pub(crate) async fn run(server: SocketAddr, path: &str, seconds: f64) -> Result<Load, LabError> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {server}\r\naccept: application/json\r\n\r\n");
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(seconds);
    let connections = (0..CONNECTIONS).map(|_| connection(server, request.clone(), until));
    let tasks: Vec<_> = connections.map(tokio::spawn).collect();
    let mut load = Load::default();
    for task in tasks {
        let done = task.await.map_err(std::io::Error::other).and_then(|done| done);
        load.latencies.extend(done.map_err(|error| failed(path, &error))?);
    }
    load.seconds = started.elapsed().as_secs_f64();
    load.latencies.sort_unstable();
    Ok(load)
}

fn failed(path: &str, error: &std::io::Error) -> LabError {
    LabError::Refused(format!("GET {path}"), error.to_string())
}

async fn connection(server: SocketAddr, request: String, until: Instant) -> std::io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut buffer = bytes::BytesMut::with_capacity(8 * 1024);
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        loop {
            match answer_length(&buffer)? {
                Some(length) if buffer.len() >= length => break,
                _ if stream.read_buf(&mut buffer).await? == 0 => {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                _ => {}
            }
        }
        buffer.clear();
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

/// The whole length of the answer that begins here, once its head is complete.
fn answer_length(buffer: &[u8]) -> std::io::Result<Option<usize>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|text| text.trim().parse::<usize>().ok());
    match length {
        Some(length) if head.starts_with("http/1.1 200") => Ok(Some(end + 4 + length)),
        _ => Err(std::io::Error::other(head.lines().next().unwrap_or_default().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(answer_length(answer).unwrap(), Some(answer.len()));
        assert_eq!(answer_length(b"HTTP/1.1 200 OK\r\nContent-").unwrap(), None);
        assert!(answer_length(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
