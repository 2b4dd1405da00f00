//! Values to bytes. Lists keep their last fields even when null: the official Python client reads a performative by
//! the number of its fields and fails on shorter ones.

use bytes::{BufMut, BytesMut};

use super::value::Value;

/// Appends a value.
pub(crate) fn value(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Null => out.put_u8(0x40),
        Value::Bool(yes) => out.put_u8(if *yes { 0x41 } else { 0x42 }),
        Value::List(all) if all.is_empty() => out.put_u8(0x45),
        Value::List(all) => {
            compound(0xD0, all.len(), out, |out| all.iter().for_each(|one| self::value(one, out)))
        }
        Value::Map(members) => compound(0xD1, members.len() * 2, out, |out| {
            for (key, member) in members {
                self::value(key, out);
                self::value(member, out);
            }
        }),
        Value::Array(all) => array(all, out),
        Value::Described(both) => {
            out.put_u8(0);
            self::value(&both.0, out);
            self::value(&both.1, out);
        }
        Value::Binary(bytes) => variable(0xA0, bytes, out),
        Value::Text(text) => variable(0xA1, text.as_bytes(), out),
        Value::Symbol(text) => variable(0xA3, text.as_bytes(), out),
        number => fixed(number, out),
    }
}

fn fixed(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Ubyte(number) => code(0x50, out).put_u8(*number),
        Value::Ushort(number) => code(0x60, out).put_u16(*number),
        Value::Uint(0) => out.put_u8(0x43),
        Value::Uint(number) => code(0x70, out).put_u32(*number),
        Value::Ulong(number) => match u8::try_from(*number) {
            Ok(0) => out.put_u8(0x44),
            Ok(small) => code(0x53, out).put_u8(small),
            Err(_) => code(0x80, out).put_u64(*number),
        },
        Value::Byte(number) => code(0x51, out).put_i8(*number),
        Value::Short(number) => code(0x61, out).put_i16(*number),
        Value::Int(number) => code(0x71, out).put_i32(*number),
        Value::Long(number) => code(0x81, out).put_i64(*number),
        Value::Double(number) => code(0x82, out).put_f64(*number),
        Value::Timestamp(number) => code(0x83, out).put_i64(*number),
        Value::Other(its, bytes) => code(*its, out).put_slice(bytes),
        _ => out.put_u8(0x40),
    }
}

fn code(code: u8, out: &mut BytesMut) -> &mut BytesMut {
    out.put_u8(code);
    out
}

/// The short form when its length fits a byte, else the long one, whose code is 16 higher.
fn variable(short: u8, bytes: &[u8], out: &mut BytesMut) {
    match u8::try_from(bytes.len()) {
        Ok(length) => code(short, out).put_u8(length),
        Err(_) => code(short + 0x10, out).put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)),
    }
    out.put_slice(bytes);
}

/// An array of symbols, or of texts; nothing else is sent in arrays.
fn array(all: &[Value], out: &mut BytesMut) {
    let constructor = if matches!(all.first(), Some(Value::Symbol(_))) { 0xB3 } else { 0xB1 };
    compound(0xF0, all.len(), out, |out| {
        out.put_u8(constructor);
        for text in all.iter().map(|one| one.as_str().unwrap_or_default()) {
            out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
            out.put_slice(text.as_bytes());
        }
    });
}

fn compound(its: u8, count: usize, out: &mut BytesMut, inside: impl FnOnce(&mut BytesMut)) {
    let mut elements = BytesMut::new();
    inside(&mut elements);
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    code(its, out).put_u32(length(elements.len() + 4));
    out.put_u32(length(count));
    out.extend_from_slice(&elements);
}
