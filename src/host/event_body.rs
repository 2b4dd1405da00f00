//! One event's body, out of the JSON that it comes in.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A body. Read element by element, so that a large batch is not in memory as values as well.
#[derive(Debug)]
pub(super) struct EventBody(pub(super) Bytes);

impl EventBody {
    pub(super) fn of(element: Value) -> Self {
        match element {
            Value::String(text) => Self::of_text(&text),
            value => Self(value.to_string().into()),
        }
    }

    /// Base64 or the body's own text. JSON objects and arrays begin with a character that base64 does
    /// not have; what is neither JSON nor base64 stays as it is.
    pub(super) fn of_text(text: &str) -> Self {
        let as_it_is = || Bytes::copy_from_slice(text.as_bytes());
        if text.trim_start().starts_with(['{', '[']) {
            return Self(as_it_is());
        }
        Self(STANDARD.decode(text).map_or_else(|_| as_it_is(), Bytes::from))
    }
}

impl<'de> Deserialize<'de> for EventBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Element)
    }
}

struct Element;

impl<'de> Visitor<'de> for Element {
    type Value = EventBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event's body")
    }

    fn visit_str<E>(self, text: &str) -> Result<EventBody, E> {
        Ok(EventBody::of_text(text))
    }

    /// Objects, and numbers, which serde_json keeps as text in one.
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<EventBody, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(members)).map(EventBody::of)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<EventBody, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(elements)).map(EventBody::of)
    }

    fn visit_bool<E>(self, value: bool) -> Result<EventBody, E> {
        Ok(EventBody::of(value.into()))
    }

    fn visit_unit<E>(self) -> Result<EventBody, E> {
        Ok(EventBody::of(Value::Null))
    }
}
