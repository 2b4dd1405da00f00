//! One section of a twin as one hub has it, and which of it that hub's clients wrote since the two diverged.

use jiff::Timestamp;
use serde_json::Value;

use super::own::{OwnWrites, written_at};
use crate::model::{Object, SectionWrites, member};

/// One section on one hub.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// Its members now.
    pub(super) values: Object,
    /// `$metadata` and `$version`; tags have none.
    pub(super) times: Option<(&'a Value, u64)>,
    /// What the hub's events said since the two diverged.
    pub(super) writes: &'a SectionWrites,
    /// The app's own writes there.
    pub(super) own: Own<'a>,
    /// From when on a member is a client's own; `None`: always.
    pub(super) since: Option<Timestamp>,
}

/// What tells the app's own writes in this section.
#[derive(Debug, Clone, Copy)]
pub(super) enum Own<'a> {
    /// Tags: their own writes are told from clients' when the event comes.
    Tags(&'a OwnWrites),
    /// Desired, by `$lastUpdatedVersion`.
    Desired(&'a OwnWrites),
    /// Reported, while nobody has written since.
    Reported(&'a OwnWrites),
}

impl Own<'_> {
    fn brought(&self) -> &SectionWrites {
        match self {
            Self::Tags(own) => &own.brought.tags,
            Self::Desired(own) => &own.brought.desired,
            Self::Reported(own) => &own.brought.reported,
        }
    }

    fn writing(&self) -> &SectionWrites {
        match self {
            Self::Tags(own) => &own.writing.tags,
            Self::Desired(own) => &own.writing.desired,
            Self::Reported(own) => &own.writing.reported,
        }
    }
}

/// When a node of `$metadata` was last written, and by which write.
#[derive(Debug, Clone, Copy, Default)]
struct Stamp {
    at: Option<Timestamp>,
    version: Option<u64>,
}

impl Stamp {
    fn of(node: &Value, inherited: Self) -> Self {
        let at = written_at(node);
        let version = node.get("$lastUpdatedVersion").and_then(Value::as_u64);
        Self { at: at.or(inherited.at), version: version.or(inherited.version) }
    }
}

impl View<'_> {
    /// When a client last wrote the member at `path`, or removed it; `None` when none did as far as is known, and an
    /// inner `None` when the time is not known.
    pub(super) fn client_wrote(&self, path: &[String]) -> Option<Option<Timestamp>> {
        match (self.times, member(&self.values, path)) {
            (Some(_), value @ Some(_)) if self.own.writing().says(path, value) => None,
            (Some((metadata, _)), Some(value)) => {
                let (node, stamp) = self.node(metadata, path);
                self.of_a_client(node, stamp, value)
            }
            // Tags, and what is gone: events alone tell when, and those of our own writes are not kept.
            (_, value) => self.writes.written_at(path).or_else(|| self.has_left(path, value).then_some(None)),
        }
    }

    /// Whether the member had what was brought over and has something else now.
    fn has_left(&self, path: &[String], value: Option<&Value>) -> bool {
        let brought = self.own.brought();
        brought.written_at(path).is_some() && !brought.says(path, value)
    }

    /// When what was brought over was written on the other hub.
    pub(super) fn brought_at(&self, path: &[String]) -> Option<Timestamp> {
        self.own.brought().written_at(path).flatten()
    }

    /// Whether a client touched what the member at `path` is part of: the only trace of a removal where events do not
    /// carry `null`.
    pub(super) fn client_touched_parent(&self, path: &[String]) -> bool {
        let Some((metadata, _)) = self.times else { return false };
        let parent = path.split_last().map_or(&[][..], |(_, parent)| parent);
        let (_, stamp) = self.node(metadata, parent);
        self.since.is_some() && self.is_a_clients(stamp)
    }

    /// The node at `path`, as deep as there are nodes, with what it inherits.
    fn node<'m>(&self, metadata: &'m Value, path: &[String]) -> (Option<&'m Value>, Stamp) {
        let (mut node, mut stamp) = (Some(metadata), Stamp::of(metadata, Stamp::default()));
        for name in path {
            node = node.and_then(|node| node.get(name)).filter(|node| node.get("$lastUpdated").is_some());
            stamp = node.map_or(stamp, |node| Stamp::of(node, stamp));
        }
        (node, stamp)
    }

    /// The newest write of a client in this member or its parts.
    fn of_a_client(&self, node: Option<&Value>, stamp: Stamp, value: &Value) -> Option<Option<Timestamp>> {
        match value {
            Value::Object(members) if !members.is_empty() => members
                .iter()
                .filter_map(|(name, value)| {
                    let inner = node.and_then(|node| node.get(name));
                    self.of_a_client(inner, inner.map_or(stamp, |inner| Stamp::of(inner, stamp)), value)
                })
                .reduce(Ord::max),
            _ => self.is_a_clients(stamp).then_some(stamp.at),
        }
    }

    fn is_a_clients(&self, stamp: Stamp) -> bool {
        let since = self.since.is_none_or(|since| stamp.at.is_some_and(|at| at >= since));
        since && !self.is_own(stamp)
    }

    fn is_own(&self, stamp: Stamp) -> bool {
        match (self.own, self.times) {
            (Own::Desired(own), _) => stamp.version.is_some_and(|version| own.wrote_desired(version)),
            (Own::Reported(own), Some((metadata, version))) => {
                own.wrote_reported(stamp.at, metadata, version)
            }
            _ => false,
        }
    }
}
