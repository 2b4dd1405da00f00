//! Values there and back, and bytes that are no values.
#![allow(clippy::unwrap_used, clippy::unnecessary_wraps)]

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::decode::{self, Malformed};
use super::encode;
use super::value::Value;

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u8>().prop_map(Value::Ubyte),
        any::<u16>().prop_map(Value::Ushort),
        any::<u32>().prop_map(Value::Uint),
        any::<u64>().prop_map(Value::Ulong),
        any::<i8>().prop_map(Value::Byte),
        any::<i16>().prop_map(Value::Short),
        any::<i32>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Long),
        (-1e300..1e300).prop_map(Value::Double),
        any::<i64>().prop_map(Value::Timestamp),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Value::Binary(bytes.into())),
        ".{0,300}".prop_map(Value::Text),
        "[a-z]{0,20}".prop_map(Value::Symbol),
        proptest::collection::vec("[a-z]{0,9}".prop_map(Value::Symbol), 1..4).prop_map(Value::Array),
        any::<[u8; 16]>().prop_map(|uuid| Value::Other(0x98, Bytes::copy_from_slice(&uuid))),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
            (inner.clone(), inner).prop_map(|(descriptor, value)| Value::described(descriptor, value)),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_comes_back_as_it_went(value in anything()) {
        let mut out = BytesMut::new();
        encode::value(&value, &mut out);
        let mut input = out.freeze();
        prop_assert_eq!(decode::value(&mut input), Ok(value));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _either = decode::value(&mut Bytes::from(bytes));
    }

    #[test]
    fn a_value_that_is_cut_off_is_refused(value in anything(), at in any::<prop::sample::Index>()) {
        let mut out = BytesMut::new();
        encode::value(&value, &mut out);
        let mut cut = out.freeze().slice(..);
        cut.truncate(at.index(cut.len()));
        prop_assert_eq!(decode::value(&mut cut), Err(Malformed));
    }
}

#[test]
fn values_nested_without_end_are_refused() {
    let described = [0x00, 0x44].repeat(30_000);
    assert_eq!(decode::value(&mut described.into()), Err(Malformed));
    let lists = (0..200_u8).fold(vec![0x45], |inner, _| {
        let length = u32::try_from(inner.len() + 4).unwrap().to_be_bytes();
        [&[0xD0], length.as_slice(), &1_u32.to_be_bytes(), &inner].concat()
    });
    assert_eq!(decode::value(&mut lists.into()), Err(Malformed));
}

#[test]
fn a_number_of_elements_that_is_only_claimed_is_refused() {
    let claims: [&[u8]; 3] = [
        &[0xD0, 0, 0, 0, 8, 255, 255, 255, 255, 0x40, 0x40, 0x40, 0x40],
        &[0xF0, 0, 0, 0, 5, 255, 255, 255, 255, 0x40],
        &[0xB0, 255, 255, 255, 255],
    ];
    for claim in claims {
        assert_eq!(decode::value(&mut Bytes::copy_from_slice(claim)), Err(Malformed));
    }
}
