//! Messages: events as a real event hub's readers see them, requests to the two service nodes and their answers.

use bytes::{Bytes, BytesMut};
use serde_json::Value as Json;

use super::decode::{self, Malformed};
use super::encode;
use super::value::{NULL, Value};
use crate::events::{Bounds, Enqueued};
use crate::stamp::Stamp;

/// The properties section's fields, in order (specification, 3.2.4).
const PROPERTIES: [&str; 13] = [
    "message-id",
    "user-id",
    "to",
    "subject",
    "reply-to",
    "correlation-id",
    "content-type",
    "content-encoding",
    "absolute-expiry-time",
    "creation-time",
    "group-id",
    "group-sequence",
    "reply-to-group-id",
];

/// Milliseconds since 1970.
pub(crate) fn milliseconds(at: Stamp) -> Value {
    Value::Timestamp(at.timestamp().as_millisecond())
}

/// An event as a message. With `newest`, it says how far the partition goes, for who has asked for that.
pub(crate) fn event(enqueued: &Enqueued, newest: Option<Bounds>) -> Bytes {
    let event = &enqueued.event;
    let mut out = BytesMut::new();
    if let Some(bounds) = newest {
        section(0x71, runtime(bounds), &mut out);
    }
    let system = event.system();
    section(0x72, annotations(enqueued, &system), &mut out);
    section(0x73, properties(&system), &mut out);
    let application = event.properties();
    let application = application.iter().map(|(name, value)| (Value::text(name.as_str()), plain(value)));
    section(0x74, Value::Map(application.collect()), &mut out);
    section(0x75, Value::Binary(Bytes::copy_from_slice(event.body())), &mut out);
    out.freeze()
}

fn section(code: u64, value: Value, out: &mut BytesMut) {
    encode::value(&Value::described(Value::Ulong(code), value), out);
}

fn symbols<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Map(members.into_iter().map(|(name, value)| (Value::symbol(name), value)).collect())
}

fn runtime(bounds: Bounds) -> Value {
    let (offset, at) = bounds.last.unwrap_or((0, Stamp::NEVER));
    symbols([
        ("last_enqueued_sequence_number", Value::Long(last_sequence(bounds))),
        ("last_enqueued_offset", Value::text(offset.to_string())),
        ("last_enqueued_time_utc", milliseconds(at)),
        ("runtime_info_retrieval_time_utc", milliseconds(Stamp::now())),
    ])
}

/// -1 of an empty partition, as a real one says.
pub(crate) fn last_sequence(bounds: Bounds) -> i64 {
    i64::try_from(bounds.next).unwrap_or(i64::MAX) - 1
}

/// The event hub's annotations, and whatever of the hub's system properties has no place in the properties section.
fn annotations(enqueued: &Enqueued, system: &serde_json::Map<String, Json>) -> Value {
    let sequence = i64::try_from(enqueued.sequence).unwrap_or(i64::MAX);
    let mut all = vec![
        (Value::symbol("x-opt-sequence-number"), Value::Long(sequence)),
        (Value::symbol("x-opt-offset"), Value::text(enqueued.offset.to_string())),
        (Value::symbol("x-opt-enqueued-time"), milliseconds(enqueued.at)),
    ];
    if let Some(key) = enqueued.event.partition_key() {
        all.push((Value::symbol("x-opt-partition-key"), Value::text(key)));
    }
    let others = system.iter().filter(|(name, _)| !PROPERTIES.contains(&name.as_str()));
    all.extend(others.map(|(name, value)| (Value::symbol(name.as_str()), annotation(name, value))));
    Value::Map(all)
}

fn annotation(name: &str, value: &Json) -> Value {
    let time = || value.as_str()?.parse::<jiff::Timestamp>().ok();
    match name {
        "iothub-enqueuedtime" => {
            time().map_or_else(|| plain(value), |at| Value::Timestamp(at.as_millisecond()))
        }
        _ => plain(value),
    }
}

fn properties(system: &serde_json::Map<String, Json>) -> Value {
    let fields = PROPERTIES.map(|name| match (name, system.get(name)) {
        (_, None) => Value::Null,
        ("user-id", Some(Json::String(text))) => Value::Binary(Bytes::copy_from_slice(text.as_bytes())),
        ("content-type" | "content-encoding", Some(Json::String(text))) => Value::symbol(text.as_str()),
        ("absolute-expiry-time" | "creation-time", Some(value)) => {
            value.as_i64().map_or(Value::Null, Value::Timestamp)
        }
        ("group-sequence", Some(value)) => {
            value.as_u64().and_then(|number| u32::try_from(number).ok()).map_or(Value::Null, Value::Uint)
        }
        (_, Some(value)) => Value::text(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    });
    Value::List(fields.into())
}

/// A JSON value as an AMQP one; objects and arrays as their text.
fn plain(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(yes) => Value::Bool(*yes),
        Json::String(text) => Value::text(text.as_str()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Long(whole),
            (None, Some(number)) => Value::Double(number),
            (None, None) => Value::text(number.to_string()),
        },
        other => Value::text(other.to_string()),
    }
}

/// A request to `$cbs` or `$management`.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) message_id: Value,
    pub(crate) reply_to: Option<String>,
    /// Application properties.
    pub(crate) properties: Value,
}

impl Request {
    pub(crate) fn decode(mut message: Bytes) -> Result<Self, Malformed> {
        let mut request = Self { message_id: Value::Null, reply_to: None, properties: Value::Null };
        while !message.is_empty() {
            let section = decode::value(&mut message)?;
            match section.code() {
                Some(0x73) => {
                    let fields = section.bare();
                    request.message_id = fields.field(0).clone();
                    request.reply_to = fields.field(4).as_str().map(str::to_owned);
                }
                Some(0x74) => request.properties = section.bare().clone(),
                Some(_) => {}
                None => return Err(Malformed),
            }
        }
        Ok(request)
    }

    /// An application property that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.properties.member(name).as_str()
    }
}

/// The answer to a request: status, what it means, and a body.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) description: String,
    /// Why not, as a symbol.
    pub(crate) condition: Option<&'static str>,
    pub(crate) body: Vec<(&'static str, Value)>,
}

impl Answer {
    /// The message, to whoever sent a request of that id.
    pub(crate) fn encode(&self, request: &Value) -> Bytes {
        let mut out = BytesMut::new();
        let mut fields = vec![NULL.clone(); PROPERTIES.len()];
        if let Some(correlation) = fields.get_mut(5) {
            correlation.clone_from(request);
        }
        section(0x73, Value::List(fields), &mut out);
        let mut told = vec![
            (Value::text("status-code"), Value::Int(self.status)),
            (Value::text("status-description"), Value::text(self.description.as_str())),
        ];
        if let Some(condition) = self.condition {
            told.push((Value::text("error-condition"), Value::symbol(condition)));
        }
        section(0x74, Value::Map(told), &mut out);
        let body = self.body.iter().map(|(name, value)| (Value::text(*name), value.clone()));
        section(0x77, Value::Map(body.collect()), &mut out);
        out.freeze()
    }
}
