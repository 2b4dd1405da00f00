//! The device protocol, from before the first packet to long after it.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::bombard;
use super::process::Emulator;

/// A packet of any type around some body; the length tells the truth, or not.
fn framed(first: u8, body: &[u8], lie: usize) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len() + lie;
    loop {
        let low = u8::try_from(length % 128).unwrap();
        length /= 128;
        packet.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// Topics and filters that mean something to a hub, whole and damaged.
fn topic() -> impl Strategy<Value = String> {
    let known = [
        "$iothub/twin/GET/?$rid=1",
        "$iothub/twin/PATCH/properties/reported/?$rid=2",
        "$iothub/twin/PATCH/properties/reported/?$rid=2&$version=99999999999999999999",
        "$iothub/twin/PATCH/properties/reported/?$version=1",
        "$iothub/twin/res/#",
        "$iothub/twin/PATCH/properties/desired/#",
        "$iothub/methods/POST/#",
        "devices/d/messages/events/a=%zz&b",
        "devices/d/messages/devicebound/#",
        "#",
        "+/+",
    ];
    prop_oneof![4 => select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,40}"]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let some = ["{\"a\":1}", "{\"a\":null}", "{\"$a\":{}}", "[]", " ", "{\"a\":{\"b\":[1,{\"c\":2}]}}", "{"];
    prop_oneof![
        select(some.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..100),
        (0usize..30_000).prop_map(|depth| "{\"a\":".repeat(depth).into_bytes()),
    ]
}

pub(super) fn packet() -> impl Strategy<Value = Vec<u8>> {
    let publish = (topic(), payload(), any::<u8>()).prop_map(|(topic, payload, flags)| {
        let number: &[u8] = if flags & 0x06 == 0 { &[] } else { &[0, 7] };
        framed(0x30 | (flags & 0x0f), &[&text(&topic), number, &payload].concat(), 0)
    });
    let subscribe =
        (vec((topic(), any::<u8>()), 0..12), select(vec![0x82, 0xa2])).prop_map(|(filters, first)| {
            let filters = filters.iter().flat_map(|(filter, qos)| [text(filter), vec![*qos]].concat());
            framed(first, &[vec![0, 9], filters.collect()].concat(), 0)
        });
    let anything = (any::<u8>(), vec(any::<u8>(), 0..60), select(vec![0, 0, 0, 1, 300, 400_000]));
    let anything = anything.prop_map(|(first, body, lie)| framed(first, &body, lie));
    prop_oneof![4 => publish, 3 => subscribe, 1 => Just(vec![0xc0, 0]), 2 => anything]
}

pub(super) fn connect(emulator: &Emulator) -> Vec<u8> {
    let user = format!("{}/d/?api-version=2021-04-12", emulator.host());
    let body =
        [&text("MQTT")[..], &[4, 0xc2, 0, 60], &text("d"), &text(&user), &text(&emulator.token())].concat();
    framed(0x10, &body, 0)
}

/// Device `d`, for which the owner's token stands in.
pub(super) fn create_device(emulator: &Emulator) {
    let request = format!(
        "PUT /devices/d?api-version=2021-04-12 HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\ncontent-length: 2\r\n\
         connection: close\r\n\r\n{{}}",
        emulator.token()
    );
    emulator.request(request.as_bytes());
}

#[test]
fn a_device_that_was_let_in_may_send_anything() {
    let mut let_in = 0;
    bombard(400, vec(packet(), 0..20), |emulator, packets| {
        create_device(emulator);
        let answer = emulator.last_words("mqtt", &[connect(emulator), packets.concat()].concat());
        let_in += u32::from(matches!(*answer, [0x20, 2, _, 0, ..]));
        Ok(())
    });
    assert!(let_in >= 400, "only {let_in} were let in");
}

#[test]
fn bytes_that_are_no_connect_end_the_connection() {
    let first = prop_oneof![
        packet(),
        vec(any::<u8>(), 0..200),
        vec(any::<u8>(), 0..40).prop_map(|body| framed(0x10, &body, 0))
    ];
    bombard(300, first, |emulator, bytes| {
        emulator.last_words("mqtt", &bytes);
        Ok(())
    });
}
