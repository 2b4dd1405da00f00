#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::amqp::decode;
use crate::amqp::value::Value;
use crate::events::{DEVICE_TWIN, Event};
use bytes::Bytes;
use proptest::prelude::*;

/// A client of a connection, which speaks in whole performatives.
struct Client {
    engine: Engine,
    emitter: Arc<Emitter>,
}

/// What came out: the performative's code, its fields and the payload.
type Said = (u64, Value, Bytes);

impl Client {
    fn with(emitter: &Arc<Emitter>, owners: &Arc<Owners>) -> Self {
        let engine = Engine::new(Arc::clone(emitter), Arc::clone(owners), Arc::default());
        let mut client = Self { engine, emitter: Arc::clone(emitter) };
        client.say(0x10, vec![Value::text("client")], b"");
        client.say(0x11, vec![Value::Null, Value::Uint(0), Value::Uint(100), Value::Uint(100)], b"");
        assert_eq!(client.codes(), [0x10, 0x11]);
        client
    }

    fn new() -> Self {
        Self::with(&Arc::new(Emitter::new(2)), &Arc::default())
    }

    fn say(&mut self, code: u64, fields: Vec<Value>, payload: &[u8]) {
        let mut out = BytesMut::new();
        frame::put(&mut out, Kind::Amqp, 0, Some(&Value::composite(code, fields)), payload);
        self.engine.hear(frame::take(&mut out).unwrap().unwrap());
    }

    /// Everything there is to say, as the engine says it.
    fn said(&mut self) -> Vec<Said> {
        while self.engine.pump() {}
        let mut out = std::mem::take(&mut self.engine.out);
        let mut said = Vec::new();
        while let Some(frame) = frame::take(&mut out).unwrap() {
            assert!(frame.body.len() + 8 <= self.engine.max_frame, "a frame larger than was agreed");
            let mut body = frame.body;
            let performative = decode::value(&mut body).unwrap();
            said.push((performative.code().unwrap(), performative.bare().clone(), body));
        }
        said
    }

    fn codes(&mut self) -> Vec<u64> {
        self.said().iter().map(|(code, ..)| *code).collect()
    }

    fn attach(&mut self, handle: u32, address: &str, properties: Value) -> Vec<Said> {
        let source = Value::composite(0x28, vec![Value::text(address)]);
        let fields = vec![
            Value::text("link"),
            Value::Uint(handle),
            Value::Bool(true),
            Value::Null,
            Value::Null,
            source,
            Value::composite(0x29, vec![Value::text("here")]),
        ];
        let rest = vec![Value::Null; 6];
        self.say(0x12, [fields, rest, vec![properties]].concat(), b"");
        self.said()
    }

    fn credit(&mut self, handle: u32, count: u32, credit: u32, drain: bool) {
        let numbers = [0, 100, 0, 100, handle, count, credit, 0].map(Value::Uint);
        self.say(0x13, [numbers.to_vec(), vec![Value::Bool(drain)]].concat(), b"");
    }

    fn append(&self, body: &[u8]) {
        let none = serde_json::Map::new();
        self.emitter.event_hub(DEVICE_TWIN).unwrap().partitions[0].append(Event::new(body, &none, &none));
    }
}

const PARTITION: &str = "devicetwin/ConsumerGroups/$Default/Partitions/0";

fn condition(detach: &Value) -> &str {
    detach.field(2).bare().field(0).as_str().unwrap()
}

#[test]
fn events_are_sent_as_far_as_the_credit_goes_and_a_drain_gives_the_rest_back() {
    let mut client = Client::new();
    for _ in 0..5 {
        client.append(b"x");
    }
    client.attach(3, PARTITION, Value::Null);
    assert_eq!(client.codes(), [0_u64; 0]);
    client.credit(3, 0, 2, false);
    assert_eq!(client.codes(), [0x14, 0x14]);
    client.credit(3, 2, 10, true);
    let said = client.said();
    let codes: Vec<u64> = said.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, [0x14, 0x14, 0x14, 0x13]);
    let (_, flow, _) = said.last().unwrap();
    assert_eq!((flow.field(5).as_u32(), flow.field(6).as_u32()), (Some(12), Some(0)));
    client.append(b"later");
    assert_eq!(client.codes(), [0_u64; 0]);
}

#[test]
fn a_message_larger_than_a_frame_goes_in_pieces_of_one_delivery() {
    let mut client = Client::new();
    client.engine.max_frame = 512;
    client.append(&[7; 2000]);
    client.append(b"next");
    client.attach(0, PARTITION, Value::Null);
    client.credit(0, 0, 10, false);
    let said = client.said();
    let deliveries: Vec<(Option<u32>, Option<bool>)> = said
        .iter()
        .map(|(_, transfer, _)| (transfer.field(1).as_u32(), transfer.field(5).as_bool()))
        .collect();
    assert!(deliveries.len() > 5, "{deliveries:?}");
    let (last, pieces) = deliveries.split_last().unwrap();
    assert_eq!(*last, (Some(1), Some(false)));
    assert_eq!(pieces.last().unwrap(), &(Some(0), Some(false)));
    assert!(pieces[..pieces.len() - 1].iter().all(|piece| *piece == (Some(0), Some(true))));
}

#[test]
fn a_client_that_does_not_read_is_sent_no_more_than_a_bounded_number_of_bytes() {
    let mut client = Client::new();
    for _ in 0..100 {
        client.append(&[0; 100_000]);
    }
    client.attach(0, PARTITION, Value::Null);
    let numbers = [0, 1_000_000, 0, 100, 0, 0, 1_000_000].map(Value::Uint).to_vec();
    client.engine.max_frame = 65_536;
    client.say(0x13, numbers, b"");
    while client.engine.pump() {}
    assert!(client.engine.out.len() < 400_000, "{}", client.engine.out.len());
}

#[test]
fn a_partition_that_is_not_there_is_refused_as_not_found() {
    let mut client = Client::new();
    let said = client.attach(0, "devicetwin/ConsumerGroups/$Default/Partitions/9", Value::Null);
    assert_eq!((said[0].0, said[0].1.field(5)), (0x12, &Value::Null));
    assert_eq!((said[1].0, condition(&said[1].1)), (0x16, "amqp:not-found"));
}

#[test]
fn a_receiver_with_a_higher_owner_level_takes_the_partition_from_another_connection() {
    let (emitter, owners) = (Arc::new(Emitter::new(2)), Arc::default());
    let [mut first, mut second] = [(); 2].map(|()| Client::with(&emitter, &owners));
    let epoch = |level| Value::Map(vec![(Value::symbol("com.microsoft:epoch"), Value::Long(level))]);
    assert_eq!(first.attach(0, PARTITION, epoch(1)).len(), 1);
    let refused = second.attach(0, PARTITION, epoch(0));
    assert_eq!(condition(&refused[1].1), "amqp:link:stolen");
    assert_eq!(second.attach(1, PARTITION, epoch(2)).len(), 1);
    let told = first.said();
    assert_eq!((told[0].0, condition(&told[0].1)), (0x16, "amqp:link:stolen"));
    // The client's own detach only confirms; its handle is free again.
    first.say(0x16, vec![Value::Uint(0), Value::Bool(true)], b"");
    assert_eq!(first.codes(), [0_u64; 0]);
}

#[test]
fn nothing_may_be_sent_to_an_event_hub_and_it_is_said_by_name() {
    let mut client = Client::new();
    let target = Value::composite(0x29, vec![Value::text("devicetwin")]);
    let fields = vec![Value::text("link"), Value::Uint(0), Value::Bool(false), Value::Null, Value::Null];
    let source = Value::composite(0x28, vec![Value::text("here")]);
    client.say(0x12, [fields, vec![source, target]].concat(), b"");
    assert_eq!(condition(&client.said()[1].1), "amqp:not-implemented");
}

#[test]
fn what_cannot_be_read_closes_the_connection_with_a_reason() {
    let mut client = Client::new();
    client.engine.hear(Frame { kind: Kind::Amqp, channel: 0, body: Bytes::from_static(b"\x00\x00\x00") });
    let said = client.said();
    let failure = said[0].1.field(0).bare().field(0);
    assert_eq!((said[0].0, failure.as_str(), client.engine.closed), (0x18, Some("amqp:decode-error"), true));
}

fn any_field() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0..4_u32).prop_map(Value::Uint),
        any::<u32>().prop_map(Value::Uint),
        Just(Value::text("$cbs")),
        Just(Value::composite(0x28, vec![Value::text(PARTITION)])),
        Just(Value::composite(0x29, vec![Value::text("$management")])),
        Just(Value::List(vec![Value::Map(vec![(Value::Null, Value::Null)])])),
    ]
}

proptest! {
    #[test]
    fn no_frames_make_a_connection_panic(
        frames in proptest::collection::vec((0..3_u16, proptest::collection::vec(any::<u8>(), 0..60)), 0..20),
    ) {
        let mut client = Client::new();
        for (channel, body) in frames {
            client.engine.hear(Frame { kind: Kind::Amqp, channel, body: Bytes::from(body) });
            client.engine.pump();
        }
    }

    #[test]
    fn no_performatives_make_a_connection_panic(
        performatives in proptest::collection::vec(
            (0x11..0x18_u64, proptest::collection::vec(any_field(), 0..14), proptest::collection::vec(any::<u8>(), 0..40)),
            0..30,
        ),
    ) {
        let mut client = Client::new();
        client.append(&[1; 3000]);
        for (code, fields, payload) in performatives {
            client.say(code, fields, &payload);
            client.engine.pump();
        }
    }
}
