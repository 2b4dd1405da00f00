//! The twin: tags, desired and reported properties, and the counters that move with them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::merge::{merge, replacement_patch, without_nulls};
use super::metadata::{Metadata, Written};
use crate::stamp::Stamp;

/// One of desired and reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The members, without `$metadata` and `$version`.
    pub members: Map<String, Value>,
    /// `$version`.
    pub version: u64,
    metadata: Metadata,
}

impl Section {
    fn new(members: Map<String, Value>, written: Written) -> Self {
        let metadata = Metadata::mirror_members(&members, written);
        Self { members, version: 1, metadata }
    }

    pub(super) fn restored(members: Map<String, Value>, version: u64, metadata: Metadata) -> Self {
        Self { members, version, metadata }
    }

    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn with_metadata(&self) -> Value {
        let mut all = self.members.clone();
        all.insert("$metadata".to_owned(), self.metadata.to_json());
        all.insert("$version".to_owned(), self.version.into());
        Value::Object(all)
    }

    fn plain(&self) -> Value {
        let mut all = self.members.clone();
        all.insert("$version".to_owned(), self.version.into());
        Value::Object(all)
    }
}

/// A twin. Its counters follow every capture of a real hub that was found: the ETag counts writes of the service
/// side only, and `version` is that counter plus the reported version (the formula is inferred, the data are not).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinRecord {
    counter: u64,
    /// Tags.
    pub tags: Map<String, Value>,
    /// Desired properties.
    pub desired: Section,
    /// Reported properties.
    pub reported: Section,
}

/// What one write of the service side did.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The event's body.
    pub event: Value,
    /// The desired version and patch for the connected device, if desired properties were written.
    pub desired: Option<(u64, Map<String, Value>)>,
    /// Whether anything counted as written: a body without tags and desired writes nothing.
    pub wrote: bool,
}

/// The members of a service-side write, without what the hub ignores.
#[derive(Debug, Clone, Default)]
pub struct TwinWrite {
    /// Tags, when the body had an object of that name.
    pub tags: Option<Map<String, Value>>,
    /// Desired properties, likewise.
    pub desired: Option<Map<String, Value>>,
    /// Which of the two had `null` in its place.
    pub cleared: Cleared,
}

/// Sections that a patch takes away as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// `"tags": null`.
    pub tags: bool,
    /// `"desired": null`.
    pub desired: bool,
}

/// How update events show what was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventNulls {
    /// Members that are gone are `null`; otherwise they are left out.
    pub members: bool,
    /// So is a section that was cleared as a whole; otherwise each of its members is.
    pub sections: bool,
}

impl EventNulls {
    fn shown(self, patch: &Map<String, Value>) -> Map<String, Value> {
        if self.members { patch.clone() } else { without_nulls(patch) }
    }
}

impl TwinRecord {
    /// A new twin; all counters are 1.
    #[must_use]
    pub fn new(at: Stamp) -> Self {
        Self::with_content(at, at, TwinWrite::default(), Map::new())
    }

    /// The new twin of a module: it says that it was never written (recorded).
    #[must_use]
    pub fn of_module() -> Self {
        Self::new(Stamp::NEVER)
    }

    /// The same, where the metadata of reported properties names the version as well: a module that was made in bulk with
    /// desired properties (recorded).
    #[must_use]
    pub(super) fn of_bulk_module(mut self) -> Self {
        if !self.desired.members.is_empty() {
            let written = Written { version: Some(1), ..self.reported.metadata.written() };
            self.reported.metadata = Metadata::mirror_members(&self.reported.members, written);
        }
        self
    }

    /// A twin born with content, as bulk `create` makes it; the versions are still 1 (observed in recorded traffic).
    #[must_use]
    pub fn with_content(
        at: Stamp,
        desired_at: Stamp,
        write: TwinWrite,
        reported: Map<String, Value>,
    ) -> Self {
        let desired = without_nulls(&write.desired.unwrap_or_default());
        let version = (!desired.is_empty()).then_some(1);
        Self {
            counter: 1,
            tags: without_nulls(&write.tags.unwrap_or_default()),
            desired: Section::new(desired, Written { at: desired_at, version }),
            reported: Section::new(without_nulls(&reported), Written { at, version: None }),
        }
    }

    pub(super) fn restored(
        counter: u64,
        tags: Map<String, Value>,
        desired: Section,
        reported: Section,
    ) -> Self {
        Self { counter, tags, desired, reported }
    }

    /// The counter behind the ETag.
    pub(super) fn counter(&self) -> u64 {
        self.counter
    }

    /// Takes over the metadata that a file has for desired and reported properties (documented for import jobs).
    pub(super) fn adopt_metadata(&mut self, desired: Option<&Value>, reported: Option<&Value>) {
        for (section, printed) in [(&mut self.desired, desired), (&mut self.reported, reported)] {
            if let Some(printed) = printed.and_then(|printed| printed.get("$metadata")) {
                section.metadata.adopt(printed);
            }
        }
    }

    /// The patches that make the given sections what they are here, and leave the others alone.
    #[must_use]
    pub(super) fn instead(
        &self,
        write: &TwinWrite,
        reported: Option<&Map<String, Value>>,
    ) -> (TwinWrite, Option<Map<String, Value>>) {
        let patch = |old: &Map<String, Value>, new: Option<&Map<String, Value>>| {
            new.map(|new| replacement_patch(old, &without_nulls(new)))
        };
        let write = TwinWrite {
            tags: patch(&self.tags, write.tags.as_ref()),
            desired: patch(&self.desired.members, write.desired.as_ref()),
            cleared: Cleared::default(),
        };
        (write, patch(&self.reported.members, reported))
    }

    /// The same write with what it clears member by member: what the metadata follows and a connected device is told.
    pub(super) fn spelled_out(&self, write: &TwinWrite) -> TwinWrite {
        let nothing = |members: &Map<String, Value>| {
            members.keys().map(|key| (key.clone(), Value::Null)).collect::<Map<_, _>>()
        };
        let Cleared { tags, desired } = write.cleared;
        TwinWrite {
            tags: if tags { Some(nothing(&self.tags)) } else { write.tags.clone() },
            desired: if desired { Some(nothing(&self.desired.members)) } else { write.desired.clone() },
            cleared: write.cleared,
        }
    }

    /// The ETag without quotes: base64 of the 8-byte big-endian counter.
    #[must_use]
    pub fn etag(&self) -> String {
        STANDARD.encode(self.counter.to_be_bytes())
    }

    /// `version`.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.counter + self.reported.version
    }

    /// `properties` with `$metadata` and `$version`.
    #[must_use]
    pub fn properties(&self) -> Value {
        json!({"desired": self.desired.with_metadata(), "reported": self.reported.with_metadata()})
    }

    /// What a device gets: desired and reported with `$version`, without metadata and tags.
    #[must_use]
    pub fn device_document(&self) -> Value {
        json!({"desired": self.desired.plain(), "reported": self.reported.plain()})
    }

    /// A service-side PATCH. Values are never compared: what is sent counts as written.
    pub fn patch(&mut self, write: &TwinWrite, at: Stamp, nulls: EventNulls) -> Effect {
        let write = &self.spelled_out(write);
        let wrote = write.tags.is_some() || write.desired.is_some();
        if wrote {
            self.counter += 1;
        }
        if let Some(tags) = &write.tags {
            merge(&mut self.tags, tags);
        }
        let desired = write.desired.as_ref().filter(|members| !members.is_empty() || write.cleared.desired);
        if let Some(members) = desired {
            self.desired.version += 1;
            let written = Written { at, version: Some(self.desired.version) };
            merge(&mut self.desired.members, members);
            self.desired.metadata.merge(members, written);
        }
        let event = self.patched(write, desired, at, nulls);
        Effect { event, desired: desired.map(|members| (self.desired.version, members.clone())), wrote }
    }

    /// The event of a patch: what was sent, with metadata.
    fn patched(
        &self,
        write: &TwinWrite,
        desired: Option<&Map<String, Value>>,
        at: Stamp,
        nulls: EventNulls,
    ) -> Value {
        let mut event = Map::new();
        event.insert("version".to_owned(), self.version().into());
        let whole = |cleared: bool| cleared && nulls.sections;
        if let Some(tags) = &write.tags {
            let shown = || Value::Object(nulls.shown(tags));
            event.insert("tags".to_owned(), if whole(write.cleared.tags) { Value::Null } else { shown() });
        }
        if let Some(members) = desired {
            let written = Written { at, version: Some(self.desired.version) };
            let shown = || changed(nulls.shown(members), members, written, self.desired.version);
            let section = if whole(write.cleared.desired) { Value::Null } else { shown() };
            event.insert("properties".to_owned(), json!({"desired": section}));
        }
        Value::Object(event)
    }

    /// A service-side PUT: tags and desired become what was sent, and nothing else remains of them.
    pub fn replace(&mut self, write: &TwinWrite, at: Stamp) -> Effect {
        self.counter += 1;
        self.tags = write.tags.clone().unwrap_or_default();
        let new = write.desired.clone().unwrap_or_default();
        let told = replacement_patch(&self.desired.members, &new);
        self.desired.version += 1;
        let written = Written { at, version: Some(self.desired.version) };
        self.desired.metadata = Metadata::mirror_members(&new, written);
        self.desired.members = new;
        let event = json!({"version": self.version(), "etag": self.etag(), "tags": self.tags,
            "properties": self.properties()});
        Effect { event, desired: Some((self.desired.version, told)), wrote: true }
    }

    /// A device's PATCH of reported properties; gives the event's body.
    pub fn report(&mut self, patch: &Map<String, Value>, at: Stamp, nulls: EventNulls) -> Value {
        self.reported.version += 1;
        let written = Written { at, version: None };
        merge(&mut self.reported.members, patch);
        self.reported.metadata.merge(patch, written);
        let section = changed(nulls.shown(patch), patch, written, self.reported.version);
        json!({"version": self.version(), "properties": {"reported": section}})
    }
}

/// A section of an update event: the patch that was sent, with the metadata of what it wrote.
fn changed(
    mut shown: Map<String, Value>,
    patch: &Map<String, Value>,
    written: Written,
    version: u64,
) -> Value {
    let metadata = Metadata::mirror_members(patch, written).to_json();
    shown.insert("$metadata".to_owned(), metadata);
    shown.insert("$version".to_owned(), version.into());
    Value::Object(shown)
}
