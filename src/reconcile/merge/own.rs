//! The app's own writes to one hub since the two diverged, told by the versions that they returned.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{SectionWrites, TwinWrites};

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
    /// The generation of the identity that was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    /// What was about to be written when it was last heard of; perhaps it was.
    #[serde(skip_serializing_if = "TwinWrites::is_empty")]
    pub(crate) writing: TwinWrites,
}

impl OwnWrites {
    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A write of tags or desired returned these versions.
    pub(crate) fn wrote_twin(&mut self, version: u64, desired: u64) {
        keep(&mut self.versions, version);
        keep(&mut self.desired, desired);
        (self.writing.tags, self.writing.desired) = Default::default();
    }

    /// A write of reported returned this version.
    pub(crate) fn wrote_reported(&mut self, version: u64) {
        self.reported = Some(version);
        self.writing.reported = SectionWrites::default();
    }

    /// Whether an event at this twin version, which says this, is of our own write: one that has returned, or one of
    /// which that is not known yet.
    pub(crate) fn is_echo(&self, version: Option<u64>, writes: &TwinWrites) -> bool {
        version.is_some_and(|version| self.versions.contains(&version))
            || (!writes.is_empty() && writes.is_said_by(&self.writing))
    }

    /// Whether just this was about to be written to this section.
    pub(crate) fn may_have_written(section: &SectionWrites, path: &[String], value: Option<&Value>) -> bool {
        section.says(path, value)
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
