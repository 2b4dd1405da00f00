//! The performatives of AMQP 1.0: what peers say to each other in frames (specification, part 2).

use bytes::Bytes;
use std::fmt;

use super::decode::{self, Malformed};
use super::value::Value;

/// Ends a connection, a session or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The condition, a name from the specification or of the service.
    pub(crate) condition: &'static str,
    /// What is wrong.
    pub(crate) description: String,
}

impl Failure {
    pub(crate) fn new(condition: &'static str, description: impl Into<String>) -> Self {
        Self { condition, description: description.into() }
    }

    pub(crate) fn value(&self) -> Value {
        let (condition, description) =
            (Value::symbol(self.condition), Value::text(self.description.as_str()));
        Value::composite(0x1D, vec![condition, description, Value::Map(Vec::new())])
    }
}

/// What came in on a channel.
#[derive(Debug, PartialEq)]
pub(crate) enum Performative {
    Open { max_frame: u32, idle_ms: Option<u32> },
    Begin { next_outgoing: u32, window: u32 },
    Attach(Box<Attach>),
    Flow(Flow),
    Transfer(Transfer),
    Disposition(Disposition),
    Detach { handle: u32, closed: bool },
    End,
    Close,
}

/// A link that the peer wants.
#[derive(Debug, PartialEq)]
pub(crate) struct Attach {
    pub(crate) name: String,
    pub(crate) handle: u32,
    /// The peer receives.
    pub(crate) receives: bool,
    /// 0 unsettled, 1 settled, 2 as it comes.
    pub(crate) sender_settles: u8,
    /// 1: the peer settles only after it was told of the outcome.
    pub(crate) receiver_settles: u8,
    pub(crate) source: Value,
    pub(crate) target: Value,
    pub(crate) desired_capabilities: Value,
    pub(crate) properties: Value,
}

/// Windows and credit.
#[derive(Debug, PartialEq)]
pub(crate) struct Flow {
    pub(crate) next_incoming: Option<u32>,
    pub(crate) window: u32,
    pub(crate) handle: Option<u32>,
    pub(crate) delivery_count: Option<u32>,
    pub(crate) credit: u32,
    pub(crate) drain: bool,
    pub(crate) echo: bool,
}

/// A message, or a piece of one.
#[derive(PartialEq)]
pub(crate) struct Transfer {
    pub(crate) handle: u32,
    pub(crate) delivery: Option<u32>,
    pub(crate) settled: bool,
    pub(crate) more: bool,
    pub(crate) aborted: bool,
    pub(crate) payload: Bytes,
}

impl fmt::Debug for Transfer {
    /// Without the payload: it may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Transfer");
        shown.field("handle", &self.handle).field("delivery", &self.delivery).field("more", &self.more);
        shown.field("bytes", &self.payload.len()).finish_non_exhaustive()
    }
}

/// What became of messages.
#[derive(Debug, PartialEq)]
pub(crate) struct Disposition {
    pub(crate) by_receiver: bool,
    pub(crate) first: u32,
    pub(crate) last: Option<u32>,
    pub(crate) settled: bool,
}

impl Performative {
    /// The performative of a frame's body.
    pub(crate) fn decode(mut body: Bytes) -> Result<Self, Malformed> {
        let value = decode::value(&mut body)?;
        let list = value.bare();
        let field = |at| list.field(at);
        let number = |at| field(at).as_u32();
        let yes = |at| field(at).as_bool().unwrap_or(false);
        Ok(match value.code().ok_or(Malformed)? {
            0x10 => Self::Open { max_frame: number(2).unwrap_or(u32::MAX), idle_ms: number(4) },
            0x11 => Self::Begin {
                next_outgoing: number(1).ok_or(Malformed)?,
                window: number(2).ok_or(Malformed)?,
            },
            0x12 => Self::Attach(Box::new(attach(list)?)),
            0x13 => Self::Flow(Flow {
                next_incoming: number(0),
                window: number(1).ok_or(Malformed)?,
                handle: number(4),
                delivery_count: number(5),
                credit: number(6).unwrap_or(0),
                drain: yes(8),
                echo: yes(9),
            }),
            0x14 => Self::Transfer(Transfer {
                handle: number(0).ok_or(Malformed)?,
                delivery: number(1),
                settled: yes(4),
                more: yes(5),
                aborted: yes(9),
                payload: body,
            }),
            0x15 => Self::Disposition(Disposition {
                by_receiver: yes(0),
                first: number(1).ok_or(Malformed)?,
                last: number(2),
                settled: yes(3),
            }),
            0x16 => Self::Detach { handle: number(0).ok_or(Malformed)?, closed: yes(1) },
            0x17 => Self::End,
            0x18 => Self::Close,
            _ => return Err(Malformed),
        })
    }
}

fn attach(list: &Value) -> Result<Attach, Malformed> {
    let mode = |at, unless: u8| match *list.field(at) {
        Value::Ubyte(mode) => mode,
        _ => unless,
    };
    Ok(Attach {
        name: list.field(0).as_str().ok_or(Malformed)?.to_owned(),
        handle: list.field(1).as_u32().ok_or(Malformed)?,
        receives: list.field(2).as_bool().ok_or(Malformed)?,
        sender_settles: mode(3, 2),
        receiver_settles: mode(4, 0),
        source: list.field(5).bare().clone(),
        target: list.field(6).bare().clone(),
        desired_capabilities: list.field(12).clone(),
        properties: list.field(13).clone(),
    })
}

/// The service announces two minutes and drops who is silent for four (documented for Azure Service Bus and Event Hubs).
pub(crate) fn open(idle_ms: u32, max_frame: u32, channels: u16) -> Value {
    let properties = vec![(Value::symbol("product"), Value::text("iothub-emulator"))];
    let mut fields = vec![
        Value::text("iothub-emulator"),
        Value::Null,
        Value::Uint(max_frame),
        Value::Ushort(channels),
        Value::Uint(idle_ms),
    ];
    fields.extend([Value::Null, Value::Null, Value::Null, Value::Null, Value::Map(properties)]);
    Value::composite(0x10, fields)
}

pub(crate) fn begin(remote_channel: u16, window: u32, handles: u32) -> Value {
    let fields = vec![
        Value::Ushort(remote_channel),
        Value::Uint(0),
        Value::Uint(window),
        Value::Uint(window),
        Value::Uint(handles),
        Value::Null,
        Value::Null,
        Value::Map(Vec::new()),
    ];
    Value::composite(0x11, fields)
}

/// The answer to an attach. A link that is refused has neither source nor target.
pub(crate) fn attached(attach: &Attach, refused: bool, max_message: u64) -> Value {
    let terminus = |code, value: &Value| match value {
        Value::List(fields) if !refused => Value::composite(code, fields.clone()),
        _ if refused => Value::Null,
        _ => Value::composite(code, vec![Value::Null]),
    };
    let fields = vec![
        Value::text(attach.name.as_str()),
        Value::Uint(attach.handle),
        Value::Bool(!attach.receives),
        Value::Ubyte(attach.sender_settles),
        Value::Ubyte(attach.receiver_settles),
        terminus(0x28, &attach.source),
        terminus(0x29, &attach.target),
        Value::Null,
        Value::Bool(false),
        if attach.receives { Value::Uint(0) } else { Value::Null },
        Value::Ulong(max_message),
        Value::Null,
        Value::Null,
        Value::Map(Vec::new()),
    ];
    Value::composite(0x12, fields)
}

/// The numbers of a session in a flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    pub(crate) next_incoming: u32,
    pub(crate) incoming: u32,
    pub(crate) next_outgoing: u32,
    pub(crate) outgoing: u32,
}

/// A flow of a session, and of a link if one is given: handle, delivery count, credit, drain.
pub(crate) fn flow(session: Windows, link: Option<(u32, u32, u32, bool)>) -> Value {
    let of_link = link.map(|(handle, count, credit, drain)| {
        [Value::Uint(handle), Value::Uint(count), Value::Uint(credit), Value::Uint(0), Value::Bool(drain)]
    });
    let mut fields = vec![
        Value::Uint(session.next_incoming),
        Value::Uint(session.incoming),
        Value::Uint(session.next_outgoing),
        Value::Uint(session.outgoing),
    ];
    fields.extend(of_link.unwrap_or([
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Bool(false),
    ]));
    fields.extend([Value::Bool(false), Value::Map(Vec::new())]);
    Value::composite(0x13, fields)
}

/// The transfer of a piece of a message.
pub(crate) fn transfer(handle: u32, delivery: u32, settled: bool, more: bool) -> Value {
    let fields = vec![
        Value::Uint(handle),
        Value::Uint(delivery),
        Value::Binary(Bytes::copy_from_slice(&delivery.to_be_bytes())),
        Value::Uint(0),
        Value::Bool(settled),
        Value::Bool(more),
        Value::Null,
        Value::Null,
        Value::Bool(false),
        Value::Bool(false),
        Value::Bool(true),
    ];
    Value::composite(0x14, fields)
}

/// Settles messages: accepted.
pub(crate) fn accepted(by_receiver: bool, first: u32, last: u32) -> Value {
    let accepted = Value::composite(0x24, Vec::new());
    let fields = vec![
        Value::Bool(by_receiver),
        Value::Uint(first),
        Value::Uint(last),
        Value::Bool(true),
        accepted,
        Value::Bool(false),
    ];
    Value::composite(0x15, fields)
}

pub(crate) fn detach(handle: u32, closed: bool, failure: Option<&Failure>) -> Value {
    let failure = failure.map_or(Value::Null, Failure::value);
    Value::composite(0x16, vec![Value::Uint(handle), Value::Bool(closed), failure])
}

pub(crate) fn end(failure: Option<&Failure>) -> Value {
    Value::composite(0x17, vec![failure.map_or(Value::Null, Failure::value)])
}

pub(crate) fn close(failure: Option<&Failure>) -> Value {
    Value::composite(0x18, vec![failure.map_or(Value::Null, Failure::value)])
}
