//! The device protocol over WebSockets, on the port of the service API.

use bytes::Bytes;
use futures::{SinkExt, StreamExt, future};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use super::Answer;
use crate::error::{ErrorCode, HubError};

/// The one path for WebSockets (read in the official clients); some add a query.
const PATH: &str = "/$iothub/websocket";

/// The subprotocol of MQTT 3.1.1.
const MQTT: &str = "mqtt";

/// The subprotocol of AMQP, which is taken to say in its own words that it is not spoken.
const AMQP: &str = "AMQPWSB10";

/// Largest message and frame taken, in bytes: the largest MQTT packet and what may share its message.
const MAX_MESSAGE: usize = 512 * 1024;

/// Bytes read at once: most packets are smaller, and every connection has such a buffer.
const READ_BUFFER: usize = 4096;

/// How long the connection may take to change its protocol once that is agreed.
const HANDOVER: Duration = Duration::from_secs(10);

/// Whether a request is for this path.
pub(super) fn is_asked(request: &Request<Incoming>) -> bool {
    percent_decode_str(request.uri().path()).decode_utf8().is_ok_and(|path| path == PATH)
}

/// Answers the opening handshake; with 101, the connection that comes of it.
pub(super) fn open(mut request: Request<Incoming>) -> Result<(Response<Bytes>, OnUpgrade), HubError> {
    let response = create_response_with_body(&request, Bytes::new);
    let mut response = response.map_err(|error| HubError::invalid(format!("no WebSocket: {error}")))?;
    let protocol = choose(request.headers())?;
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    Ok((response, hyper::upgrade::on(&mut request)))
}

/// The subprotocol: MQTT, if it is among those offered.
fn choose(headers: &HeaderMap) -> Result<&'static str, HubError> {
    let offered = offered(headers, &SEC_WEBSOCKET_PROTOCOL);
    let is_offered = |known: &&str| offered.iter().any(|protocol| protocol.eq_ignore_ascii_case(known));
    if let Some(chosen) = [MQTT, AMQP].into_iter().find(is_offered) {
        return Ok(chosen);
    }
    let text = format!(
        "the WebSocket subprotocol {} is not supported by this emulator: mqtt is",
        if offered.is_empty() { "(none)".to_owned() } else { offered.join(", ") }
    );
    Err(HubError::new(ErrorCode::NotImplemented, text))
}

fn offered(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|one| one.trim().to_owned()).collect()
}

/// A refused handshake.
pub(super) fn refusal(error: &HubError) -> Answer {
    tracing::info!(%error, "a WebSocket was refused");
    Answer::refused(error)
}

/// The bytes in a WebSocket's binary messages, as one stream: packets and messages need not begin together. `None`
/// when the connection was gone before it changed its protocol.
pub(super) async fn stream(upgrade: OnUpgrade) -> Option<impl AsyncRead + AsyncWrite + Unpin> {
    let upgraded = tokio::time::timeout(HANDOVER, upgrade).await.ok()?.ok()?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_MESSAGE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let io = TokioIo::new(upgraded);
    Some(bytes_of(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await))
}

fn bytes_of(socket: WebSocketStream<TokioIo<Upgraded>>) -> impl AsyncRead + AsyncWrite + Unpin {
    let (sink, stream) = socket.split();
    let read = stream.filter_map(|message| future::ready(content(message)));
    let write =
        sink.with(|bytes| future::ok::<_, Error>(Message::Binary(bytes))).sink_map_err(io::Error::other);
    tokio::io::join(StreamReader::new(read), SinkWriter::new(CopyToBytes::new(write)))
}

/// What a message holds; pings are answered below, and text is not allowed (MQTT 3.1.1, 6.0).
fn content(message: Result<Message, Error>) -> Option<io::Result<Bytes>> {
    match message {
        Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
        Ok(Message::Text(_)) => Some(Err(io::Error::from(io::ErrorKind::InvalidData))),
        Ok(_) => None,
        Err(error) => Some(Err(io::Error::other(error))),
    }
}
