//! One event as it is kept: a single piece of memory, because a log holds hundreds of thousands.

use serde_json::{Map, Value};
use std::sync::Arc;

/// An event: body, application properties, system properties and partition key. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Body, properties and system properties as JSON text, partition key, one behind the other.
    content: Arc<[u8]>,
    ends: [u32; 3],
}

impl Event {
    /// An event with these properties and without a partition key.
    #[must_use]
    pub fn new(body: &[u8], properties: &Map<String, Value>, system: &Map<String, Value>) -> Self {
        Self::keyed(body, properties, system, "")
    }

    /// An event with a partition key; the empty text is none.
    #[must_use]
    pub fn keyed(
        body: &[u8],
        properties: &Map<String, Value>,
        system: &Map<String, Value>,
        key: &str,
    ) -> Self {
        let text = |members| serde_json::to_vec(members).unwrap_or_default();
        Self::assemble([body, &text(properties), &text(system), key.as_bytes()])
    }

    /// The event of these parts, as [`Event::parts`] gave them.
    #[must_use]
    pub fn assemble(parts: [&[u8]; 4]) -> Self {
        let mut end = 0_usize;
        let ends = [0, 1, 2].map(|at| {
            end += parts.get(at).map_or(0, |part| part.len());
            u32::try_from(end).unwrap_or(u32::MAX)
        });
        Self { content: parts.concat().into(), ends }
    }

    /// Body, application properties and system properties (both JSON text), partition key.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 4] {
        let [body, properties, system] = self.ends.map(|end| usize::try_from(end).unwrap_or(usize::MAX));
        let part = |from, to| self.content.get(from..to).unwrap_or_default();
        [part(0, body), part(body, properties), part(properties, system), part(system, self.content.len())]
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        let [body, ..] = self.parts();
        body
    }

    /// The application properties.
    #[must_use]
    pub fn properties(&self) -> Map<String, Value> {
        let [_, properties, ..] = self.parts();
        serde_json::from_slice(properties).unwrap_or_default()
    }

    /// The system properties: parts of the message's properties section and annotations, by name.
    #[must_use]
    pub fn system(&self) -> Map<String, Value> {
        let [.., system, _] = self.parts();
        serde_json::from_slice(system).unwrap_or_default()
    }

    /// The partition key, if it has one.
    #[must_use]
    pub fn partition_key(&self) -> Option<&str> {
        let [.., key] = self.parts();
        std::str::from_utf8(key).ok().filter(|key| !key.is_empty())
    }

    /// Bytes of the content.
    #[must_use]
    pub fn size(&self) -> usize {
        self.content.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_gives_back_what_it_was_made_of() {
        let properties = json!({"opType": "updateTwin"}).as_object().unwrap().clone();
        let system = json!({"user-id": "hub"}).as_object().unwrap().clone();
        let event = Event::keyed(b"{}", &properties, &system, "d");
        assert_eq!(
            (event.body(), event.properties(), event.system()),
            (b"{}".as_slice(), properties, system)
        );
        assert_eq!(event.partition_key(), Some("d"));
        assert_eq!(Event::assemble(event.parts()), event);
        assert_eq!(Event::new(b"", &Map::new(), &Map::new()).partition_key(), None);
    }
}
