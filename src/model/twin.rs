//! A device twin as the service API gives it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ETag, Object, Path, TwinWrites};

/// Stands in the path of a member whose name is no text.
pub const NO_NAME: &str = "\u{fffd}";

/// The sections of a twin, and where each is from its root.
pub const SECTIONS: [(&str, &[&str]); 3] =
    [("tags", &["tags"]), ("desired", &["properties", "desired"]), ("reported", &["properties", "reported"])];

/// The section that a path from the twin's root leads into, and the rest of the path.
pub fn in_section(path: &[String]) -> Option<(&'static str, &[String])> {
    SECTIONS.iter().find_map(|(name, root)| {
        let (above, rest) = path.split_at_checked(root.len())?;
        (above == *root).then_some((*name, rest))
    })
}

/// One half of a twin's properties.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// The properties, without the hub's own `$` members.
    pub values: Object,
    /// `$version`: writes of this section so far.
    pub version: u64,
    /// `$metadata`: when each member was last written.
    pub metadata: Value,
}

/// A device or module twin.
#[derive(Debug, Clone, PartialEq)]
pub struct TwinDocument {
    /// Changes with service-side writes only; never with reported properties (observed).
    pub etag: ETag,
    /// The ETag of the registry entry: moves when the identity changes (observed).
    pub device_etag: ETag,
    /// Grows with every write of the twin, reported ones included (observed).
    pub version: u64,
    /// Tags. Devices and modules have them.
    pub tags: Object,
    /// Desired properties: the operator's.
    pub desired: Section,
    /// Reported properties: the device's.
    pub reported: Section,
    /// Everything else the document says (`status`, `connectionState`, `capabilities`, …).
    pub other: Object,
    /// Paths, from the document's root, of members that hold no readable text (half a surrogate pair). They are nowhere
    /// else in here: nobody can tell what they are, or write them.
    pub unreadable: Vec<Path>,
}

/// Where a twin and its registry entry stand: whoever writes either moves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The twin's: writes of tags and desired.
    pub etag: ETag,
    /// The registry entry's.
    pub device_etag: ETag,
    /// `$version` of reported.
    pub reported: u64,
}

impl From<&TwinDocument> for Revision {
    fn from(twin: &TwinDocument) -> Self {
        Self {
            etag: twin.etag.clone(),
            device_etag: twin.device_etag.clone(),
            reported: twin.reported.version,
        }
    }
}

/// Why a JSON document is not a twin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotATwin(pub &'static str);

impl TwinDocument {
    /// Reads the service's JSON object.
    pub fn from_json(mut members: Object) -> Result<Self, NotATwin> {
        let etag = text(&members, "etag").map(ETag::new).ok_or(NotATwin("a twin has an etag"))?;
        let device_etag = text(&members, "deviceEtag").map(ETag::new).unwrap_or_else(|| ETag::new(""));
        let version = members.get("version").and_then(Value::as_u64).unwrap_or_default();
        let tags = without_nulls(object(members.remove("tags")));
        let mut properties = object(members.remove("properties"));
        let desired = section(object(properties.remove("desired")));
        let reported = section(object(properties.remove("reported")));
        Ok(Self {
            etag,
            device_etag,
            version,
            tags,
            desired,
            reported,
            other: members,
            unreadable: Vec::new(),
        })
    }

    /// `enabled` unless the hub says otherwise.
    pub fn is_enabled(&self) -> bool {
        text(&self.other, "status").is_none_or(|status| status.eq_ignore_ascii_case("enabled"))
    }

    /// Whether the hub says that the device is connected to it now (eventual).
    pub fn is_connected(&self) -> bool {
        text(&self.other, "connectionState").is_some_and(|state| state.eq_ignore_ascii_case("Connected"))
    }

    /// Changes tags, desired and reported in memory; counters and metadata stay.
    pub fn apply(&mut self, writes: &TwinWrites) {
        writes.tags.apply_to(&mut self.tags);
        writes.desired.apply_to(&mut self.desired.values);
        writes.reported.apply_to(&mut self.reported.values);
    }
}

fn text<'a>(members: &'a Object, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}

fn object(value: Option<Value>) -> Object {
    match value {
        Some(Value::Object(members)) => members,
        _ => Object::new(),
    }
}

fn section(mut members: Object) -> Section {
    let version = members.remove("$version").and_then(|v| v.as_u64()).unwrap_or_default();
    let metadata = members.remove("$metadata").unwrap_or_default();
    members.retain(|name, _| !name.starts_with('$'));
    Section { values: without_nulls(members), version, metadata }
}

/// Members that are `null` are none: no patch can make them, and a hub that shows some says nothing by it.
fn without_nulls(mut members: Object) -> Object {
    members.retain(|_, value| !value.is_null());
    for value in members.values_mut() {
        if let Value::Object(inner) = value {
            *inner = without_nulls(std::mem::take(inner));
        }
    }
    members
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::model::SectionWrites;

    fn twin(value: Value) -> Result<TwinDocument, NotATwin> {
        TwinDocument::from_json(value.as_object().cloned().unwrap())
    }

    fn pump() -> TwinDocument {
        twin(json!({"deviceId": "pump-17", "etag": "AAAAAAAAAAM=", "deviceEtag": "NDcx", "version": 10,
            "status": "disabled", "connectionState": "Connected", "tags": {"site": "A"},
            "properties": {"desired": {"rate": 5, "$metadata": {"rate": {}}, "$version": 3},
                           "reported": {"fw": "1.2", "$metadata": {}, "$version": 7}}}))
        .unwrap()
    }

    #[test]
    fn values_and_the_hubs_own_members_are_kept_apart() {
        let twin = pump();
        assert_eq!(Value::Object(twin.desired.values), json!({"rate": 5}));
        assert_eq!((twin.desired.version, twin.reported.version, twin.version), (3, 7, 10));
        assert_eq!(twin.desired.metadata, json!({"rate": {}}));
        assert_eq!(twin.etag, ETag::new("AAAAAAAAAAM="));
    }

    #[test]
    fn status_and_connection_are_read_and_the_rest_survives() {
        let twin = pump();
        assert!(!twin.is_enabled() && twin.is_connected());
        assert_eq!(twin.other.get("deviceId"), Some(&json!("pump-17")));
    }

    #[test]
    fn members_that_are_null_are_no_members_however_deep_and_arrays_are_left_as_they_are() {
        let twin =
            twin(json!({"etag": "e", "tags": {"gone": null, "a": {"b": null, "c": [null, {"d": null}]}},
            "properties": {"desired": {"x": {"y": {"z": null}}}, "reported": {"r": null}}}))
            .unwrap();
        assert_eq!(Value::Object(twin.tags), json!({"a": {"c": [null, {"d": null}]}}));
        assert_eq!(Value::Object(twin.desired.values), json!({"x": {"y": {}}}));
        assert!(twin.reported.values.is_empty());
    }

    #[test]
    fn a_document_without_an_etag_is_no_twin() {
        assert!(twin(json!({"deviceId": "x", "properties": {}})).is_err());
    }

    #[test]
    fn a_change_of_one_section_leaves_the_others() {
        let mut twin = pump();
        let tags = SectionWrites::from_patch(json!({"site": null, "b": 1}).as_object().unwrap(), None);
        twin.apply(&TwinWrites { tags, ..TwinWrites::default() });
        assert_eq!(Value::Object(twin.tags.clone()), json!({"b": 1}));
        assert_eq!((&twin.desired, &twin.reported), (&pump().desired, &pump().reported));
    }
}
