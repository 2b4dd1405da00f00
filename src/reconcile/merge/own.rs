//! The app's own writes to one hub since the two diverged, told by the versions that they returned.

use serde::{Deserialize, Serialize};

use crate::model::{Object, SectionWrites, TwinDocument, TwinWrites};

/// Versions kept of each kind; an older write of our own counts as a client's then.
const KEPT: usize = 64;

/// The app's own writes to one identity on one hub. Never told by time: a copy is always younger than its original.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnWrites {
    /// Twin versions that writes of tags and desired returned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) versions: Vec<u64>,
    /// Desired versions of those: a member's `$lastUpdatedVersion` says which write it is of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) desired: Vec<u64>,
    /// The reported version that the last write returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reported: Option<u64>,
    /// The generation of the identity that was created; empty while that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    /// What was about to be written when it was last heard of; perhaps it was.
    #[serde(skip_serializing_if = "TwinWrites::is_empty")]
    pub(crate) writing: TwinWrites,
    /// What the other hub said and this one has had since: where it has something else now, a client wrote it, or took
    /// it away, though no event has said so yet.
    #[serde(skip_serializing_if = "TwinWrites::is_empty")]
    pub(crate) brought: TwinWrites,
}

/// The versions that writes to one twin returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wrote {
    /// Of the twin, and of its desired properties where they were written.
    twin: Vec<(u64, Option<u64>)>,
    /// Of its reported properties, the last one.
    pub(crate) reported: Option<u64>,
    /// It was created.
    pub(crate) created: bool,
}

impl Wrote {
    /// A patch of tags and desired left the twin so. Of tags alone it leaves the desired version where a client's
    /// write may have put it (observed).
    pub(crate) fn twin(&mut self, patch: &Object, after: &TwinDocument) {
        let desired = patch.contains_key("properties").then_some(after.desired.version);
        self.twin.push((after.version, desired));
    }

    /// A patch of reported left them at this version.
    pub(crate) fn of_reported(version: u64) -> Self {
        Self { reported: Some(version), ..Self::default() }
    }
}

impl OwnWrites {
    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A client made the identity again: its counters begin anew. That this program made one before is still so.
    pub(crate) fn begin_anew(&mut self) {
        *self = Self { created: self.created.take(), ..Self::default() };
    }

    /// The hub is about to be made what this twin says.
    pub(crate) fn will_be(&mut self, twin: &TwinDocument) {
        let section = |values| SectionWrites::replacement(values, None);
        self.writing = TwinWrites {
            tags: section(&twin.tags),
            desired: section(&twin.desired.values),
            reported: section(&twin.reported.values),
        };
    }

    /// Writes returned these versions: what was about to be written is known to be by now.
    pub(crate) fn wrote(&mut self, wrote: &Wrote) {
        for (version, desired) in &wrote.twin {
            keep(&mut self.versions, *version);
            desired.iter().for_each(|desired| keep(&mut self.desired, *desired));
            (self.writing.tags, self.writing.desired) = Default::default();
        }
        if wrote.reported.is_some() {
            self.reported = wrote.reported;
            self.writing.reported = SectionWrites::default();
        }
    }

    /// Whether an event at this twin version, which says this, is of our own write: one that has returned, or one of
    /// which that is not known yet.
    pub(crate) fn is_echo(&self, version: Option<u64>, writes: &TwinWrites) -> bool {
        version.is_some_and(|version| self.versions.contains(&version))
            || (!writes.is_empty() && writes.is_said_by(&self.writing))
    }
}

fn keep(versions: &mut Vec<u64>, version: u64) {
    if versions.contains(&version) {
        return;
    }
    if versions.len() >= KEPT {
        versions.remove(0);
    }
    versions.push(version);
}
