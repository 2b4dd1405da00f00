//! One section of a twin as one hub has it, and which of it that hub's clients wrote since the two diverged.

use jiff::Timestamp;
use serde_json::Value;

use super::decided::Mark;
use super::own::{OwnWrites, written_at};
use crate::model::{Object, Path, Section, SectionWrites, member};

/// One section on one hub.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// Its members as the hub's clients left them.
    pub(super) values: Object,
    /// As the twin shows it; tags have no times, and a silent hub shows nothing.
    pub(super) shown: Option<&'a Section>,
    /// What the hub's events said since the two diverged.
    pub(super) writes: &'a SectionWrites,
    /// The app's own writes there.
    pub(super) own: Own<'a>,
    /// From when on a member is a client's own; `None`: always.
    pub(super) since: Option<Timestamp>,
    /// Up to when what it said has been settled.
    pub(super) decided: Mark,
}

/// That a client wrote a member, or removed it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// When, as far as that is known.
    pub(super) at: Option<Timestamp>,
    /// It has been settled.
    pub(super) is_decided: bool,
}

/// What tells the app's own writes in this section.
#[derive(Debug, Clone, Copy)]
pub(super) enum Own<'a> {
    /// Tags, by their values, before they are looked at.
    Tags,
    /// Desired, by `$lastUpdatedVersion`.
    Desired(&'a OwnWrites),
    /// Reported, by the time of each write.
    Reported(&'a OwnWrites),
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
    /// What a client last said of the member at `path`; `None` when none did as far as is known.
    pub(super) fn said(&self, path: &[String]) -> Option<Said> {
        let value = member(&self.values, path);
        let heard = self.writes.written_at(path);
        let heard = heard.map(|at| Said { at, is_decided: self.decided.covers_heard(at) });
        match (self.shown, value) {
            (Some(shown), Some(value)) => {
                let at = self.client_wrote(shown, path, value)?;
                match heard.filter(|_| self.writes.says(path, Some(value))) {
                    Some(heard) => Some(Said { at, ..heard }),
                    None => Some(Said { at, is_decided: self.decided.covers_shown(at) }),
                }
            }
            // What is gone, and was not heard to be, nobody is known to have taken away.
            (Some(_), None) => heard.filter(|_| self.writes.says(path, None)),
            // Of tags events alone tell, and those of our own writes are not kept.
            (None, _) => heard,
        }
    }

    /// Takes away what clients had taken away, as was heard, and is there by no client's doing.
    pub(super) fn without_what_was_removed(mut self) -> Self {
        let Some(shown) = self.shown else { return self };
        let is_ours = |path: &Path| {
            member(&shown.values, path).is_some_and(|value| {
                !self.writes.says(path, Some(value)) && self.client_wrote(shown, path, value).is_none()
            })
        };
        let removed = self.writes.removals().only(is_ours);
        // Who writes an object anew says what is in it, and by that of all else that it is gone.
        let mut gone = Vec::new();
        leaves(&shown.values, &mut Path::new(), &mut gone);
        gone.retain(|path| self.writes.says(path, None) && is_ours(path));
        self.writes.only(|path| removed.decides(path)).apply_to(&mut self.values);
        gone.iter().for_each(|path| take(&mut self.values, path));
        self
    }

    /// Whether a client touched what the member at `path` is part of: the only trace of a removal where events do not
    /// carry `null`.
    pub(super) fn client_touched_parent(&self, path: &[String]) -> bool {
        let Some(shown) = self.shown else { return false };
        let parent = path.split_last().map_or(&[][..], |(_, parent)| parent);
        let (_, stamp) = node(&shown.metadata, parent);
        self.since.is_some() && self.is_a_clients(shown, stamp)
    }

    /// When a client wrote what the twin shows at `path`.
    fn client_wrote(&self, shown: &Section, path: &[String], value: &Value) -> Option<Option<Timestamp>> {
        let (node, stamp) = node(&shown.metadata, path);
        self.of_a_client(shown, node, stamp, &mut path.to_vec(), value)
    }

    /// The newest write of a client in this member or its parts.
    fn of_a_client(
        &self,
        shown: &Section,
        node: Option<&Value>,
        stamp: Stamp,
        path: &mut Path,
        value: &Value,
    ) -> Option<Option<Timestamp>> {
        let Some(members) = value.as_object().filter(|members| !members.is_empty()) else {
            let is_a_clients = !self.own.has_begun(path, value) && self.is_a_clients(shown, stamp);
            return is_a_clients.then_some(stamp.at);
        };
        let mut newest = None;
        for (name, value) in members {
            let inner = node.and_then(|node| node.get(name));
            let stamp = inner.map_or(stamp, |inner| Stamp::of(inner, stamp));
            path.push(name.clone());
            newest = newest.max(self.of_a_client(shown, inner, stamp, path, value));
            path.pop();
        }
        newest
    }

    fn is_a_clients(&self, shown: &Section, stamp: Stamp) -> bool {
        let since = self.since.is_none_or(|since| stamp.at.is_some_and(|at| at >= since));
        since && !self.own.wrote(shown, stamp)
    }
}

/// Every member that has no parts.
fn leaves(values: &Object, path: &mut Path, found: &mut Vec<Path>) {
    for (name, value) in values {
        path.push(name.clone());
        match value.as_object().filter(|parts| !parts.is_empty()) {
            Some(parts) => leaves(parts, path, found),
            None => found.push(path.clone()),
        }
        path.pop();
    }
}

/// Takes one member away, where it is.
pub(super) fn take(values: &mut Object, path: &[String]) {
    match path {
        [] => {}
        [name] => drop(values.remove(name)),
        [name, rest @ ..] => {
            if let Some(Value::Object(parts)) = values.get_mut(name) {
                take(parts, rest);
            }
        }
    }
}

/// The node at `path`, as deep as there are nodes, with what it inherits.
fn node<'m>(metadata: &'m Value, path: &[String]) -> (Option<&'m Value>, Stamp) {
    let (mut node, mut stamp) = (Some(metadata), Stamp::of(metadata, Stamp::default()));
    for name in path {
        node = node.and_then(|node| node.get(name)).filter(|node| node.get("$lastUpdated").is_some());
        stamp = node.map_or(stamp, |node| Stamp::of(node, stamp));
    }
    (node, stamp)
}

impl Own<'_> {
    /// Whether the member is just what was about to be written.
    fn has_begun(&self, path: &[String], value: &Value) -> bool {
        match self {
            Self::Tags => false,
            Self::Desired(own) => own.has_begun("desired", path, value),
            Self::Reported(own) => own.has_begun("reported", path, value),
        }
    }

    fn wrote(&self, shown: &Section, stamp: Stamp) -> bool {
        match self {
            Self::Tags => false,
            Self::Desired(own) => stamp.version.is_some_and(|version| own.wrote_desired(version)),
            Self::Reported(own) => own.wrote_reported(stamp.at, &shown.metadata, shown.version),
        }
    }
}
