//! WebSockets, from the opening handshake to the packets in them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::bombard;

/// An opening handshake, each line of it there, missing or wrong.
fn opening() -> impl Strategy<Value = String> {
    let path = select(vec![
        "/$iothub/websocket",
        "/%24iothub/websocket?a=b",
        "/$iothub/websocket?x",
        "/$iothub/web",
        "/",
    ]);
    let line = |name: &'static str, right: Vec<&'static str>, wrong: &'static str| {
        let value = prop_oneof![12 => select(right), 1 => Just(wrong)];
        let given = value.prop_map(move |value| format!("{name}: {value}\r\n"));
        prop_oneof![12 => given, 1 => Just(String::new())]
    };
    let lines = (
        line("Connection", vec!["Upgrade", "keep-alive, upgrade"], "close"),
        line("Upgrade", vec!["websocket", "WebSocket"], "h2c"),
        line("Sec-WebSocket-Version", vec!["13"], "8"),
        line("Sec-WebSocket-Key", vec!["AAAAAAAAAAAAAAAAAAAAAA=="], "not a key"),
        line("Sec-WebSocket-Protocol", vec!["mqtt", "AMQPWSB10, mqtt"], "AMQPWSB10"),
    );
    (path, lines).prop_map(|(path, (connection, upgrade, version, key, protocol))| {
        let lines = [connection, upgrade, version, key, protocol].concat();
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
    })
}

/// A frame of any kind, masked or not, whose length tells the truth, or not.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = select(vec![0x82, 0x82, 0x82, 0x02, 0x80, 0x00, 0x81, 0x88, 0x89, 0x8a, 0xf2, 0x83]);
    let length =
        prop_oneof![8 => Just(None), 1 => select(vec![0u64, 5, 200, 1 << 20, u64::MAX]).prop_map(Some)];
    let payload = prop_oneof![
        vec(any::<u8>(), 0..200),
        Just([&b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c"[..], b"\x00\x00"].concat())
    ];
    (first, any::<bool>(), length, payload).prop_map(|(first, masked, length, payload)| {
        let length = length.unwrap_or(payload.len() as u64);
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend(length.to_be_bytes());
            }
        }
        // A mask of zeros changes nothing.
        frame.extend(vec![0; if masked { 4 } else { 0 }]);
        frame.extend(payload);
        frame
    })
}

#[test]
fn whatever_is_sent_into_a_websocket_ends_with_its_connection() {
    let mut opened = 0;
    bombard(400, (opening(), vec(frame(), 0..12)), |emulator, (opening, frames)| {
        // Neither a request nor a frame, and more than a frame may still be waiting for.
        let end = vec![0xf3; 300];
        let answer = emulator.request(&[opening.into_bytes(), frames.concat(), end].concat());
        prop_assert!(!answer.is_empty());
        opened += u32::from(answer.starts_with(b"HTTP/1.1 101"));
        Ok(())
    });
    assert!(opened >= 50, "only {opened} were opened");
}
