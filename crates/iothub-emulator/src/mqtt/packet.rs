//! MQTT 3.1.1 on the wire: what a hub needs of it, and nothing else.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Largest packet taken, in bytes: a twin section of 32 KB with its metadata, and room for telemetry of 256 KB.
pub(super) const MAX_PACKET: usize = 300 * 1024;

/// The protocol level of MQTT 3.1.1.
pub(super) const LEVEL: u8 = 4;

/// The code of a SUBACK for a topic filter that is not granted.
pub(super) const SUBSCRIPTION_REFUSED: u8 = 0x80;

/// Why bytes are not a packet; the connection is closed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// More than [`MAX_PACKET`].
    TooLarge,
    /// Reserved or unknown packet type or flags.
    Type,
    /// The packet ends before its members do, or a string is not UTF-8.
    Content,
    /// Quality of service 2, which hubs close connections for (documented).
    ExactlyOnce,
}

/// What a device asks for when it connects. Of other levels than [`LEVEL`], only that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Connect {
    pub level: u8,
    pub client_id: String,
    pub clean_session: bool,
    /// Seconds; 0 is none.
    pub keep_alive: u16,
    pub user_name: Option<String>,
    pub password: Option<String>,
}

impl Connect {
    /// The hub that is meant: what the user name begins with.
    pub(super) fn host(&self) -> &str {
        self.user_name.as_deref().and_then(|name| name.split('/').next()).unwrap_or_default()
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Publish {
    pub topic: String,
    /// With quality of service 1.
    pub packet_id: Option<u16>,
    pub payload: Bytes,
}

/// A packet from a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    Connect(Connect),
    Publish(Publish),
    PubAck,
    Subscribe { packet_id: u16, filters: Vec<(String, u8)> },
    Unsubscribe { packet_id: u16, filters: Vec<String> },
    PingReq,
    Disconnect,
}

/// Takes one packet off the front of `buffer`; `None` when it is not all there yet.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Incoming>, Malformed> {
    let Some((length, header)) = remaining_length(buffer)? else { return Ok(None) };
    if header + length > MAX_PACKET {
        return Err(Malformed::TooLarge);
    }
    if buffer.len() < header + length {
        return Ok(None);
    }
    let first = buffer.first().copied().ok_or(Malformed::Content)?;
    let mut body = buffer.split_to(header + length).freeze();
    body.advance(header);
    decode(first, body).map(Some)
}

/// The remaining length and the bytes before it ends, once they are there.
fn remaining_length(buffer: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut length = 0usize;
    for (at, byte) in buffer.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((length, at + 2)));
        }
    }
    if buffer.len() > 4 { Err(Malformed::TooLarge) } else { Ok(None) }
}

fn decode(first: u8, mut body: Bytes) -> Result<Incoming, Malformed> {
    match (first >> 4, first & 0x0f) {
        (1, 0) => connect(&mut body).map(Incoming::Connect),
        (3, flags) => publish(flags, body).map(Incoming::Publish),
        (4, 0) => packet_id(&mut body).map(|_| Incoming::PubAck),
        (8, 2) => subscribe(&mut body),
        (10, 2) => unsubscribe(&mut body),
        (12, 0) => Ok(Incoming::PingReq),
        (14, 0) => Ok(Incoming::Disconnect),
        _ => Err(Malformed::Type),
    }
}

/// Reads a CONNECT as far as its level is known: what follows the level of others is read by nobody.
fn connect(body: &mut Bytes) -> Result<Connect, Malformed> {
    let (name, level) = (text(body)?, byte(body)?);
    match (name.as_str(), level) {
        ("MQTT", LEVEL) => {}
        ("MQTT" | "MQIsdp", level) => return Ok(Connect { level, ..Connect::default() }),
        _ => return Err(Malformed::Content),
    }
    let flags = ConnectFlags::read(byte(body)?)?;
    let keep_alive = number(body)?;
    let client_id = text(body)?;
    if flags.will {
        text(body)?;
        chunk(body)?;
    }
    let user_name = if flags.user_name { Some(text(body)?) } else { None };
    let password = if flags.password { Some(text(body)?) } else { None };
    ended(body)?;
    Ok(Connect { level, client_id, clean_session: flags.clean_session, keep_alive, user_name, password })
}

struct ConnectFlags {
    clean_session: bool,
    /// A will is taken and nothing comes of it: it would be telemetry.
    will: bool,
    password: bool,
    user_name: bool,
}

impl ConnectFlags {
    /// Checks what the standard says of flags that belong together (3.1.2).
    fn read(flags: u8) -> Result<Self, Malformed> {
        let is_set = |bit: u8| flags & bit != 0;
        let (will, will_qos, password, user_name) =
            (is_set(0x04), flags >> 3 & 3, is_set(0x40), is_set(0x80));
        let reserved = is_set(0x01) || will_qos == 3 || (password && !user_name);
        if reserved || (!will && (will_qos != 0 || is_set(0x20))) {
            return Err(Malformed::Content);
        }
        Ok(Self { clean_session: is_set(0x02), will, password, user_name })
    }
}

fn publish(flags: u8, mut body: Bytes) -> Result<Publish, Malformed> {
    let topic = text(&mut body)?;
    let packet_id = match (flags >> 1) & 0x03 {
        0 => None,
        1 => Some(packet_id(&mut body)?),
        _ => return Err(Malformed::ExactlyOnce),
    };
    Ok(Publish { topic, packet_id, payload: body })
}

fn subscribe(body: &mut Bytes) -> Result<Incoming, Malformed> {
    let packet_id = packet_id(body)?;
    let filters = some(body, |body| Ok((text(body)?, byte(body)?)))?;
    match filters.iter().all(|(_, qos)| *qos <= 2) {
        true => Ok(Incoming::Subscribe { packet_id, filters }),
        false => Err(Malformed::Content),
    }
}

fn unsubscribe(body: &mut Bytes) -> Result<Incoming, Malformed> {
    let packet_id = packet_id(body)?;
    Ok(Incoming::Unsubscribe { packet_id, filters: some(body, text)? })
}

/// At least one, up to the end.
fn some<T>(body: &mut Bytes, read: impl Fn(&mut Bytes) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
    let mut all = vec![read(body)?];
    while body.has_remaining() {
        all.push(read(body)?);
    }
    Ok(all)
}

fn ended(body: &Bytes) -> Result<(), Malformed> {
    if body.is_empty() { Ok(()) } else { Err(Malformed::Content) }
}

/// Never 0.
fn packet_id(body: &mut Bytes) -> Result<u16, Malformed> {
    number(body).and_then(|id| if id == 0 { Err(Malformed::Content) } else { Ok(id) })
}

fn byte(body: &mut Bytes) -> Result<u8, Malformed> {
    body.try_get_u8().map_err(|_| Malformed::Content)
}

fn number(body: &mut Bytes) -> Result<u16, Malformed> {
    body.try_get_u16().map_err(|_| Malformed::Content)
}

fn chunk(body: &mut Bytes) -> Result<Bytes, Malformed> {
    let length = usize::from(number(body)?);
    if body.len() < length {
        return Err(Malformed::Content);
    }
    Ok(body.split_to(length))
}

fn text(body: &mut Bytes) -> Result<String, Malformed> {
    String::from_utf8(chunk(body)?.to_vec()).map_err(|_| Malformed::Content)
}

/// `CONNACK` codes that hubs answer with (read in the official clients).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectCode {
    Accepted = 0,
    UnacceptableProtocol = 1,
    IdentifierRejected = 2,
    ServerUnavailable = 3,
    NotAuthorised = 5,
}

impl ConnectCode {
    /// The HTTP status that says the same, for the request log.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Accepted => 200,
            Self::UnacceptableProtocol | Self::IdentifierRejected => 400,
            Self::ServerUnavailable => 503,
            Self::NotAuthorised => 401,
        }
    }
}

/// The answer to a CONNECT; `resumed` tells the device that it need not subscribe again.
pub(super) fn connack(code: ConnectCode, resumed: bool) -> Bytes {
    Bytes::copy_from_slice(&[0x20, 2, u8::from(resumed), code as u8])
}

pub(super) fn puback(packet_id: u16) -> Bytes {
    let [high, low] = packet_id.to_be_bytes();
    Bytes::copy_from_slice(&[0x40, 2, high, low])
}

pub(super) fn suback(packet_id: u16, codes: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(codes.len() + 2);
    body.put_u16(packet_id);
    body.put_slice(codes);
    framed(0x90, &body)
}

pub(super) fn unsuback(packet_id: u16) -> Bytes {
    let [high, low] = packet_id.to_be_bytes();
    Bytes::copy_from_slice(&[0xb0, 2, high, low])
}

pub(super) fn pingresp() -> Bytes {
    Bytes::from_static(&[0xd0, 0])
}

/// A message with quality of service 0: what hubs answer twin requests with, whatever was subscribed (a client that
/// subscribed with 1 takes it).
pub(super) fn message(topic: &str, payload: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(topic.len() + payload.len() + 2);
    body.put_u16(u16::try_from(topic.len()).unwrap_or(u16::MAX));
    body.put_slice(topic.as_bytes());
    body.put_slice(payload);
    framed(0x30, &body)
}

fn framed(first: u8, body: &[u8]) -> Bytes {
    let mut packet = BytesMut::with_capacity(body.len() + 5);
    packet.put_u8(first);
    let mut length = body.len();
    loop {
        let low = u8::try_from(length % 128).unwrap_or_default();
        length /= 128;
        packet.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    packet.put_slice(body);
    packet.freeze()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_that_is_not_all_there_stays_in_the_buffer() {
        let whole = message("a/b", b"payload");
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(whole.get(..cut).unwrap());
            assert_eq!(take(&mut buffer), Ok(None));
            assert_eq!(buffer.len(), cut);
        }
    }

    #[test]
    fn a_message_is_read_back_as_it_was_written() {
        let long = vec![b'x'; 20_000];
        let mut buffer = BytesMut::from(message("t", &long).as_ref());
        let expected = Publish { topic: "t".to_owned(), packet_id: None, payload: long.into() };
        assert_eq!(take(&mut buffer), Ok(Some(Incoming::Publish(expected))));
        assert!(buffer.is_empty());
    }

    #[test]
    fn quality_of_service_2_is_refused() {
        let mut buffer = BytesMut::from(&[0x34, 5, 0, 1, b't', 0, 1][..]);
        assert_eq!(take(&mut buffer), Err(Malformed::ExactlyOnce));
    }

    #[test]
    fn a_packet_too_large_is_refused_before_it_has_arrived() {
        let mut buffer = BytesMut::from(&[0x30, 0xff, 0xff, 0xff, 0x7f][..]);
        assert_eq!(take(&mut buffer), Err(Malformed::TooLarge));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic_or_stand_still(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            loop {
                let before = buffer.len();
                match take(&mut buffer) {
                    Ok(Some(_)) => prop_assert!(buffer.len() < before),
                    Ok(None) | Err(_) => break,
                }
            }
        }
    }
}
