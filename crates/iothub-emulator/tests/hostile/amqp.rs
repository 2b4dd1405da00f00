//! The event hubs.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::bombard;

const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";
const PLAIN: &[u8] = b"AMQP\x00\x01\x00\x00";

/// Addresses that lead somewhere, and some that do not.
const ADDRESSES: [&str; 9] = [
    "$cbs",
    "$management",
    "registry/ConsumerGroups/$Default/Partitions/0",
    "devicetwin/ConsumerGroups/x/Partitions/1",
    "devicetwin/ConsumerGroups/$Default/Partitions/99999999999",
    "none/ConsumerGroups/$Default/Partitions/0",
    "registry",
    "",
    "//",
];

fn frame(kind: u8, channel: u16, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], &[2, kind], &channel.to_be_bytes(), body].concat()
}

/// A described list, as every performative is.
fn list(code: u8, items: &[Vec<u8>]) -> Vec<u8> {
    let bytes = items.concat();
    let size = u32::try_from(bytes.len() + 4).unwrap();
    let count = u32::try_from(items.len()).unwrap();
    [&[0, 0x53, code, 0xd0][..], &size.to_be_bytes(), &count.to_be_bytes(), &bytes].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[0xa1, u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

fn symbol(text: &str) -> Vec<u8> {
    [&[0xa3, u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

fn number(number: u32) -> Vec<u8> {
    [&[0x70][..], &number.to_be_bytes()].concat()
}

const NULL: [u8; 1] = [0x40];

fn sasl_init() -> Vec<u8> {
    frame(1, 0, &list(0x41, &[symbol("ANONYMOUS")]))
}

fn open() -> Vec<u8> {
    let items =
        [text("reader"), text("127.0.0.1"), number(65536), [&[0x60][..], &[0, 10]].concat(), number(60_000)];
    frame(0, 0, &list(0x10, &items))
}

fn begin(window: u32) -> Vec<u8> {
    frame(0, 0, &list(0x11, &[NULL.to_vec(), number(0), number(window), number(window)]))
}

fn attach(handle: u32, receiver: bool, address: &str) -> Vec<u8> {
    let node = |code| list(code, &[text(address)]);
    let role = vec![if receiver { 0x41 } else { 0x42 }];
    let name = text(&format!("link-{handle}"));
    frame(
        0,
        0,
        &list(0x12, &[name, number(handle), role, NULL.to_vec(), NULL.to_vec(), node(0x28), node(0x29)]),
    )
}

fn flow(handle: u32, credit: u32) -> Vec<u8> {
    let items = [number(0), number(2048), number(0), number(2048), number(handle), number(0), number(credit)];
    frame(0, 0, &list(0x13, &items))
}

fn transfer(handle: u32, payload: &[u8]) -> Vec<u8> {
    let head = list(0x14, &[number(handle), number(0), vec![0xa0, 1, 1], number(0), vec![0x42], vec![0x42]]);
    frame(0, 0, &[head, payload.to_vec()].concat())
}

/// Lists within lists, so many deep, each saying that it is as long as what follows.
fn nested(depth: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for level in (1..=depth).rev() {
        bytes.push(0xd0);
        bytes.extend_from_slice(&(9 * level).to_be_bytes());
        bytes.extend_from_slice(&1u32.to_be_bytes());
    }
    bytes.push(0x40);
    bytes
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let request = list(0x73, &[text("id"), NULL.to_vec(), text("$cbs"), NULL.to_vec(), text("reply")]);
    let body = [&[0, 0x53, 0x77][..], &text("token")].concat();
    prop_oneof![Just([request, body].concat()), (0u32..6000).prop_map(nested), vec(any::<u8>(), 0..200),]
}

/// What a peer may say next; any of it may be out of place.
fn said() -> impl Strategy<Value = Vec<u8>> {
    let handle = || select(vec![0u32, 1, 2, 255, u32::MAX]);
    let big = || select(vec![0u32, 1, 100, u32::MAX]);
    let ending = (select(vec![0x15u8, 0x16, 0x17, 0x18]), handle())
        .prop_map(|(code, handle)| frame(0, 0, &list(code, &[number(handle), number(0)])));
    prop_oneof![
        2 => big().prop_map(begin),
        4 => (handle(), any::<bool>(), select(&ADDRESSES[..])).prop_map(|(handle, receiver, address)| attach(handle, receiver, address)),
        3 => (handle(), big()).prop_map(|(handle, credit)| flow(handle, credit)),
        3 => (handle(), payload()).prop_map(|(handle, payload)| transfer(handle, &payload)),
        1 => ending,
        1 => (0u32..6000).prop_map(|depth| frame(0, 0, &[&[0, 0x53, 0x12][..], &nested(depth)].concat())),
        1 => (any::<u8>(), any::<u16>(), vec(any::<u8>(), 0..60)).prop_map(|(kind, channel, body)| frame(kind, channel, &body)),
        1 => vec(any::<u8>(), 0..60),
    ]
}

#[test]
fn a_reader_may_say_anything_once_it_is_connected() {
    let mut opened = 0;
    bombard(400, vec(said(), 0..20), |emulator, said| {
        let hello = [SASL, &sasl_init(), PLAIN, &open(), &begin(2048)].concat();
        let answer = emulator.to_event_hubs(&[hello, said.concat()].concat());
        opened += u32::from(answer.windows(3).any(|bytes| bytes == [0, 0x53, 0x10]));
        Ok(())
    });
    assert!(opened >= 400, "only {opened} were connected");
}

#[test]
fn a_conversation_in_which_bytes_are_wrong_ends() {
    let flips = vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    bombard(400, (vec(said(), 0..8), flips), |emulator, (said, flips)| {
        let mut bytes = [SASL, &sasl_init(), PLAIN, &open(), &begin(2048), &said.concat()].concat();
        for (place, byte) in &flips {
            let at = place.index(bytes.len());
            bytes[at] ^= byte;
        }
        emulator.to_event_hubs(&bytes);
        Ok(())
    });
}
