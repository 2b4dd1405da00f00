//! The device protocol over WebSockets: frames around packets.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::bombard;
use super::mqtt::{connect, create_device, packet};
use super::process::Emulator;

fn upgrade(emulator: &Emulator) -> Vec<u8> {
    let host = emulator.host();
    format!(
        "GET /$iothub/websocket HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: mqtt\r\n\r\n"
    )
    .into_bytes()
}

/// A masked frame; its length may be more than there is.
fn frame(first: u8, payload: &[u8], lie: u64) -> Vec<u8> {
    let length = payload.len() as u64 + lie;
    let mut bytes = vec![first];
    match u16::try_from(length) {
        Ok(length @ 0..126) => bytes.push(0x80 | u8::try_from(length).unwrap()),
        Ok(length) => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

fn said() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![6 => Just(0x82u8), 3 => select(vec![0x02, 0x00, 0x80, 0x81, 0x88, 0x89, 0x8a]), 1 => any::<u8>()];
    let lie = prop_oneof![8 => Just(0u64), 1 => select(vec![1, 70_000, u64::MAX / 2])];
    (first, packet(), lie).prop_map(|(first, packet, lie)| frame(first, &packet, lie))
}

#[test]
fn a_device_may_send_any_frames() {
    bombard(100, vec(said(), 0..20), |emulator, said| {
        create_device(emulator);
        let (upgrade, connect) = (upgrade(emulator), frame(0x82, &connect(emulator), 0));
        emulator.after(&[(&upgrade, b"\r\n\r\n"), (&connect, &[0x82, 4, 0x20, 2, 0, 0])], &said.concat());
        Ok(())
    });
}
