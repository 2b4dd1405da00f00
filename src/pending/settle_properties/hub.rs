//! One hub with one identity: its twin with counters and times, and the events of its writes in order.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::model::{ETag, Object, Section, SectionWrites, TwinDocument, TwinWrites, apply};

/// An event of a write.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) version: u64,
    pub(super) reported_version: u64,
    pub(super) writes: TwinWrites,
}

/// A hub. Its counters are those of a real one (`version` = writes of the service + `reported.$version`).
#[derive(Debug, Clone)]
pub(super) struct Hub {
    counter: u64,
    tags: Object,
    desired: Section,
    reported: Section,
    /// The device is connected to it.
    pub(super) is_connected: bool,
    /// Events say what was taken away.
    carries_nulls: bool,
    pub(super) log: Vec<Event>,
}

/// A time so many milliseconds after the model's beginning.
pub(super) fn time(now: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    begin + SignedDuration::from_millis(now)
}

impl Hub {
    pub(super) fn new(carries_nulls: bool) -> Self {
        let section = Section {
            values: Object::new(),
            version: 1,
            metadata: json!({"$lastUpdated": time(0).to_string()}),
        };
        Self {
            counter: 1,
            tags: Object::new(),
            desired: section.clone(),
            reported: section,
            is_connected: false,
            carries_nulls,
            log: Vec::new(),
        }
    }

    pub(super) fn twin(&self) -> TwinDocument {
        let state = if self.is_connected { "Connected" } else { "Disconnected" };
        TwinDocument {
            etag: ETag::new(&self.counter.to_string()),
            device_etag: ETag::new("device"),
            version: self.counter + self.reported.version,
            tags: self.tags.clone(),
            desired: self.desired.clone(),
            reported: self.reported.clone(),
            other: [("connectionState".to_owned(), Value::from(state))].into_iter().collect(),
            unreadable: Vec::new(),
        }
    }

    /// A write of tags and desired, as the service takes it: `{"tags": …, "properties": {"desired": …}}`.
    pub(super) fn patch_twin(&mut self, patch: &Object, now: i64) {
        let part = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
        let tags = part(patch.get("tags"));
        let desired = part(patch.get("properties").and_then(|properties| properties.get("desired")));
        self.counter += 1;
        apply(&mut self.tags, &tags.clone().unwrap_or_default());
        if let Some(desired) = &desired {
            write(&mut self.desired, desired, now, true);
        }
        let writes = TwinWrites {
            tags: self.said(tags, now),
            desired: self.said(desired, now),
            ..TwinWrites::default()
        };
        self.announce(writes, now);
    }

    /// A write of reported, as the device.
    pub(super) fn patch_reported(&mut self, patch: &Object, now: i64) {
        write(&mut self.reported, patch, now, false);
        let writes = TwinWrites { reported: self.said(Some(patch.clone()), now), ..TwinWrites::default() };
        self.announce(writes, now);
    }

    fn said(&self, patch: Option<Object>, now: i64) -> SectionWrites {
        let mut patch = patch.unwrap_or_default();
        if !self.carries_nulls {
            forget_nulls(&mut patch);
        }
        SectionWrites::from_patch(&patch, Some(self.event_time(now)))
    }

    fn announce(&mut self, writes: TwinWrites, now: i64) {
        let version = self.counter + self.reported.version;
        let (at, reported_version) = (self.event_time(now), self.reported.version);
        self.log.push(Event { at, version, reported_version, writes });
    }

    /// What an event says of its time is not just what the twin shows.
    fn event_time(&self, now: i64) -> Timestamp {
        time(now + i64::try_from((self.counter + self.reported.version) % 3).unwrap())
    }
}

fn forget_nulls(patch: &mut Object) {
    patch.retain(|_, value| !value.is_null());
    for value in patch.values_mut() {
        if let Value::Object(members) = value {
            forget_nulls(members);
        }
    }
}

fn write(section: &mut Section, patch: &Object, now: i64, has_versions: bool) {
    section.version += 1;
    apply(&mut section.values, patch);
    let version = has_versions.then_some(section.version);
    stamp(&mut section.metadata, &Value::Object(patch.clone()), now, version);
}

/// Each node that the patch touches says so.
fn stamp(node: &mut Value, patch: &Value, now: i64, version: Option<u64>) {
    if !node.is_object() || !patch.is_object() {
        *node = json!({});
    }
    let Value::Object(node) = node else { return };
    node.insert("$lastUpdated".to_owned(), time(now).to_string().into());
    version.map(|version| node.insert("$lastUpdatedVersion".to_owned(), version.into()));
    for (name, value) in patch.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(node.remove(name)),
            value => stamp(node.entry(name.clone()).or_insert_with(|| json!({})), value, now, version),
        }
    }
}
