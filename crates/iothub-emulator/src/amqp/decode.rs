//! Values from bytes. Whatever the bytes are, it ends, without a panic, in memory of the order of their number:
//! nesting is bounded, and an element takes at least one byte.

use bytes::{Buf, Bytes};

use super::value::Value;

/// How deep lists, maps, arrays and descriptions may stand in each other.
const DEEPEST: usize = 24;

/// These bytes are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<bytes::TryGetError> for Malformed {
    fn from(_: bytes::TryGetError) -> Self {
        Self
    }
}

/// The first value of these bytes, which go on behind it.
pub(crate) fn value(input: &mut Bytes) -> Result<Value, Malformed> {
    nested(input, DEEPEST)
}

fn nested(input: &mut Bytes, depth: usize) -> Result<Value, Malformed> {
    match input.try_get_u8()? {
        0 => {
            let depth = depth.checked_sub(1).ok_or(Malformed)?;
            let descriptor = nested(input, depth)?;
            Ok(Value::described(descriptor, nested(input, depth)?))
        }
        code => of_code(code, input, depth),
    }
}

/// The high half of a code says how wide the value is.
fn of_code(code: u8, input: &mut Bytes, depth: usize) -> Result<Value, Malformed> {
    match code >> 4 {
        0x4 => empty(code),
        0x5..=0x9 => fixed(code, input),
        0xA | 0xB => variable(code, input),
        0xC | 0xD => compound(code, input, depth.checked_sub(1).ok_or(Malformed)?),
        0xE | 0xF => array(code, input, depth.checked_sub(1).ok_or(Malformed)?),
        _ => Err(Malformed),
    }
}

fn empty(code: u8) -> Result<Value, Malformed> {
    Ok(match code {
        0x40 => Value::Null,
        0x41 => Value::Bool(true),
        0x42 => Value::Bool(false),
        0x43 => Value::Uint(0),
        0x44 => Value::Ulong(0),
        0x45 => Value::List(Vec::new()),
        _ => return Err(Malformed),
    })
}

fn fixed(code: u8, input: &mut Bytes) -> Result<Value, Malformed> {
    Ok(match code {
        0x50 => Value::Ubyte(input.try_get_u8()?),
        0x51 => Value::Byte(input.try_get_i8()?),
        0x52 => Value::Uint(input.try_get_u8()?.into()),
        0x53 => Value::Ulong(input.try_get_u8()?.into()),
        0x54 => Value::Int(input.try_get_i8()?.into()),
        0x55 => Value::Long(input.try_get_i8()?.into()),
        0x56 => Value::Bool(input.try_get_u8()? != 0),
        0x60 => Value::Ushort(input.try_get_u16()?),
        0x61 => Value::Short(input.try_get_i16()?),
        0x70 => Value::Uint(input.try_get_u32()?),
        0x71 => Value::Int(input.try_get_i32()?),
        0x80 => Value::Ulong(input.try_get_u64()?),
        0x81 => Value::Long(input.try_get_i64()?),
        0x82 => Value::Double(input.try_get_f64()?),
        0x83 => Value::Timestamp(input.try_get_i64()?),
        0x72..=0x74 => Value::Other(code, taken(input, 4)?),
        0x84 => Value::Other(code, taken(input, 8)?),
        0x94 | 0x98 => Value::Other(code, taken(input, 16)?),
        _ => return Err(Malformed),
    })
}

fn variable(code: u8, input: &mut Bytes) -> Result<Value, Malformed> {
    let length = size(code >= 0xB0, input)?;
    let bytes = taken(input, length)?;
    let text = |bytes: &Bytes| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed);
    match code & 0x0F {
        0x0 => Ok(Value::Binary(bytes)),
        0x1 => text(&bytes).map(Value::Text),
        0x3 => text(&bytes).map(Value::Symbol),
        _ => Err(Malformed),
    }
}

fn compound(code: u8, input: &mut Bytes, depth: usize) -> Result<Value, Malformed> {
    let wide = code >= 0xD0;
    let length = size(wide, input)?;
    let mut inside = taken(input, length)?;
    let count = size(wide, &mut inside)?;
    match code & 0x0F {
        0x0 => elements(&mut inside, count, |input| nested(input, depth)).map(Value::List),
        0x1 if count.is_multiple_of(2) => {
            let member = |input: &mut Bytes| Ok((nested(input, depth)?, nested(input, depth)?));
            elements(&mut inside, count / 2, member).map(Value::Map)
        }
        _ => Err(Malformed),
    }
}

fn array(code: u8, input: &mut Bytes, depth: usize) -> Result<Value, Malformed> {
    let wide = code >= 0xF0;
    let length = size(wide, input)?;
    let mut inside = taken(input, length)?;
    let count = size(wide, &mut inside)?;
    if count == 0 {
        return Ok(Value::Array(Vec::new()));
    }
    let constructor = inside.try_get_u8()?;
    // Elements of no width would let four bytes stand for billions of them; described ones nobody sends.
    if constructor == 0 || constructor >> 4 == 0x4 {
        return Err(Malformed);
    }
    elements(&mut inside, count, |input| of_code(constructor, input, depth)).map(Value::Array)
}

/// So many elements; without reserving memory for a number that is only claimed.
fn elements<T>(
    input: &mut Bytes,
    count: usize,
    one: impl Fn(&mut Bytes) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    if count > input.len() {
        return Err(Malformed);
    }
    (0..count).map(|_| one(input)).collect()
}

fn size(wide: bool, input: &mut Bytes) -> Result<usize, Malformed> {
    let size = if wide { input.try_get_u32()? } else { input.try_get_u8()?.into() };
    usize::try_from(size).map_err(|_| Malformed)
}

fn taken(input: &mut Bytes, length: usize) -> Result<Bytes, Malformed> {
    if length > input.len() {
        return Err(Malformed);
    }
    Ok(input.split_to(length))
}
