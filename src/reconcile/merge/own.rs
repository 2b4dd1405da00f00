//! The app's own writes to one hub since the two diverged, told by the versions that they returned.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{ETag, Object, Path, SectionWrites, TwinDocument, TwinWrites, diff, made_at, member};

/// Kept of each kind: runs of versions, and times; an older write of our own counts as a client's then.
const KEPT: usize = 256;

/// Writes kept of which it is not known whether they were done.
const BEGUN: usize = 16;

/// Times kept of identities that were made, and of those that were deleted.
const LIVES: usize = 16;

/// What this program made or deleted, and the event that tells of it, are not further apart: the clocks of two machines.
const CLOSE: SignedDuration = SignedDuration::from_secs(2);

/// By then a deletion that was begun has been done, or never will be.
const ENDING: SignedDuration = SignedDuration::from_secs(60);

/// Runs of versions that followed each other: the first and the last of each.
type Runs = Vec<(u64, u64)>;

/// The app's own writes to one identity on one hub. Never told by time: a copy is always younger than its original.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnWrites {
    /// Twin versions that writes of tags and desired returned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) versions: Runs,
    /// Desired versions of those: a member's `$lastUpdatedVersion` says which write it is of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) desired: Runs,
    /// Reported versions that writes of reported returned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reported: Runs,
    /// When those before the last were written: a member's `$lastUpdated` says which write it is of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reported_at: Vec<Timestamp>,
    /// The generation of the identity that was created; empty while that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    /// When identities were made here: their creations are no client's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    made: Vec<Timestamp>,
    /// When identities were deleted here: those deletions are no client's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ended: Vec<Timestamp>,
    /// Since when the identity is about to be deleted here.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<Timestamp>,
    /// The deletion on the other hub for which the identity was deleted here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deleted_for: Option<Timestamp>,
    /// The registry entry of the other hub that was copied here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entry: Option<ETag>,
    /// The registry entry of the other hub of which the status was copied here, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<ETag>,
    /// What was begun to be written and not heard of since; perhaps it was written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    begun: Vec<Begun>,
    /// Tags show nothing of who wrote them: what this program wrote, and clients were heard to have written there since.
    #[serde(skip_serializing_if = "SectionWrites::is_empty")]
    tags: SectionWrites,
}

/// A write that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begun {
    /// The twin's version before.
    after: u64,
    writes: TwinWrites,
}

/// The versions that writes to one twin returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wrote {
    /// Of the twin, and of its desired properties where they were written.
    twin: Vec<(u64, Option<u64>)>,
    /// Of its reported properties.
    pub(crate) reported: Vec<u64>,
    /// When those before the last were written.
    reported_at: Vec<Timestamp>,
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
        Self { reported: vec![version], ..Self::default() }
    }

    /// The twin shows when its reported properties were written, before they are written again.
    pub(crate) fn note_report(&mut self, twin: &TwinDocument) {
        self.reported_at.extend(written_at(&twin.reported.metadata));
    }
}

impl OwnWrites {
    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the identity of this generation is one that was created here by this program.
    pub(crate) fn made(&self, generation: Option<&str>) -> bool {
        self.created.as_deref().is_some_and(|made| made.is_empty() || Some(made) == generation)
    }

    /// A client made the identity again: its counters begin anew. That this program made and deleted some before is still so.
    pub(crate) fn begin_anew(&mut self) {
        let Self { created, made, ended, ending, .. } = std::mem::take(self);
        *self = Self { created, made, ended, ending, ..Self::default() };
    }

    /// The identity of this generation was created here; empty where that is not known.
    pub(crate) fn has_made(&mut self, generation: String) {
        if let Some(at) = made_at(&generation) {
            keep_life(&mut self.made, at);
        }
        self.created = Some(generation);
    }

    /// When the last one was made here that this program did not delete.
    pub(crate) fn last_made(&self) -> Option<Timestamp> {
        let made = self.created.as_deref().and_then(made_at)?;
        self.ended.iter().all(|end| *end < made).then_some(made)
    }

    /// The identity is about to be deleted here.
    pub(crate) fn begin_to_end(&mut self, now: Timestamp) {
        self.ending = Some(now);
    }

    /// It was deleted here by this program, or was not.
    pub(crate) fn has_ended(&mut self, now: Timestamp, was_deleted: bool) {
        self.ending = None;
        if was_deleted {
            keep_life(&mut self.ended, now);
        }
    }

    /// Whether an identity that was created then is one of this program's.
    pub(crate) fn is_creation(&self, at: Timestamp) -> bool {
        self.made(None) || self.made.iter().any(|made| is_close(*made, at))
    }

    /// Whether one that was deleted then was deleted by this program.
    pub(crate) fn is_deletion(&self, at: Timestamp) -> bool {
        let may_be_under_way =
            |since: Timestamp| is_close(since, at) || (since < at && at.duration_since(since) < ENDING);
        self.ending.is_some_and(may_be_under_way) || self.ended.iter().any(|end| is_close(*end, at))
    }

    /// This is about to be written to a twin that is so now.
    pub(crate) fn begin(&mut self, twin: &TwinDocument, writes: TwinWrites) {
        self.note_report(twin);
        if self.begun.len() >= BEGUN {
            self.begun.remove(0);
        }
        self.begun.push(Begun { after: twin.version, writes });
    }

    /// What makes a twin what `wanted` is.
    pub(crate) fn making(twin: &TwinDocument, wanted: &TwinDocument) -> TwinWrites {
        let section = |from, to| SectionWrites::from_patch_of(from, &diff(from, to));
        TwinWrites {
            tags: section(&twin.tags, &wanted.tags),
            desired: section(&twin.desired.values, &wanted.desired.values),
            reported: section(&twin.reported.values, &wanted.reported.values),
        }
    }

    /// This was begun and refused.
    pub(crate) fn was_refused(&mut self, writes: &TwinWrites) {
        self.take_begun(writes);
    }

    /// What is left of what was begun so: another process may have begun something else since.
    fn take_begun(&mut self, writes: &TwinWrites) -> Option<Begun> {
        let at = self.begun.iter().rposition(|begun| begun.is_of(writes))?;
        Some(self.begun.remove(at))
    }

    /// When the app wrote reported, while the twin shows it: before anybody writes there again.
    pub(crate) fn note_report(&mut self, twin: &TwinDocument) {
        if !has(&self.reported, twin.reported.version) {
            return;
        }
        written_at(&twin.reported.metadata).into_iter().for_each(|at| self.keep_time(at));
    }

    fn keep_time(&mut self, at: Timestamp) {
        if self.reported_at.contains(&at) {
            return;
        }
        if self.reported_at.len() >= KEPT {
            self.reported_at.remove(0);
        }
        self.reported_at.push(at);
    }

    /// Whether a member of desired that was written by this version is our own.
    pub(super) fn wrote_desired(&self, version: u64) -> bool {
        has(&self.desired, version)
    }

    /// Whether a member that was written at this time is our own, where reported is at this version: ours was the last
    /// write of all and the member is of the last write, or it is of one before.
    pub(super) fn wrote_reported(&self, at: Option<Timestamp>, metadata: &Value, version: u64) -> bool {
        has(&self.reported, version) && at == written_at(metadata)
            || at.is_some_and(|at| self.reported_at.contains(&at))
    }

    /// Whether the tag at `path` is as this program left it, or may have.
    pub(super) fn left_tag(&self, path: &[String], tags: &Object) -> bool {
        let value = member(tags, path);
        self.tags.says(path, value) || self.begun.iter().any(|begun| begun.writes.tags.says(path, value))
    }

    /// Tags that this program wrote, or may have.
    pub(super) fn written_tags(&self) -> impl Iterator<Item = &Path> {
        let begun = self.begun.iter().map(|begun| &begun.writes.tags);
        std::iter::once(&self.tags).chain(begun).flat_map(|tags| tags.written().map(|(path, _)| path))
    }

    /// Whether this is what was about to be written to a member.
    pub(super) fn has_begun(&self, section: &str, path: &[String], value: &Value) -> bool {
        self.begun.iter().any(|begun| begun.writes.section(section).says(path, Some(value)))
    }

    /// A client was heard to have written, by this version of the twin.
    pub(crate) fn hear(&mut self, version: Option<u64>, writes: &TwinWrites) {
        let last = self.versions.iter().map(|(_, last)| *last).max();
        if version > last {
            let concern = |path: &Path| self.tags.written_at(path).is_some();
            self.tags.fold(writes.tags.only(concern));
        }
    }

    /// What was begun so returned these versions: as far as they tell, it is known to be written.
    pub(crate) fn wrote(&mut self, wrote: &Wrote, writes: &TwinWrites) {
        let mut begun = self.take_begun(writes);
        for (version, desired) in &wrote.twin {
            keep(&mut self.versions, *version);
            desired.iter().for_each(|desired| keep(&mut self.desired, *desired));
            if let Some(begun) = &mut begun {
                self.tags.fold(std::mem::take(&mut begun.writes.tags));
                begun.writes.desired = SectionWrites::default();
            }
        }
        wrote.reported_at.iter().for_each(|at| self.keep_time(*at));
        for version in &wrote.reported {
            keep(&mut self.reported, *version);
            begun.iter_mut().for_each(|begun| begun.writes.reported = SectionWrites::default());
        }
        self.begun.extend(begun.filter(|begun| !begun.writes.is_empty()));
    }

    /// Whether an event that says this, at these versions of the twin and of its reported properties, is of our own
    /// write: one that has returned, or one of which that is not known yet.
    pub(crate) fn is_echo(&self, version: Option<u64>, reported: Option<u64>, writes: &TwinWrites) -> bool {
        let is_reported = !writes.reported.is_empty() && writes.tags.is_empty() && writes.desired.is_empty();
        version.is_some_and(|version| has(&self.versions, version))
            || (is_reported && reported.is_some_and(|version| has(&self.reported, version)))
            || (!writes.is_empty() && self.begun.iter().any(|begun| begun.may_be(version, writes)))
    }
}

impl Begun {
    /// Whether it is what was begun so, or what is left of it.
    fn is_of(&self, writes: &TwinWrites) -> bool {
        let is_of = |left: &SectionWrites, all| left.is_empty() || left == all;
        is_of(&self.writes.tags, &writes.tags)
            && is_of(&self.writes.desired, &writes.desired)
            && is_of(&self.writes.reported, &writes.reported)
    }

    fn may_be(&self, version: Option<u64>, writes: &TwinWrites) -> bool {
        version.is_none_or(|version| version > self.after) && writes.is_said_by(&self.writes)
    }
}

fn keep_life(times: &mut Vec<Timestamp>, at: Timestamp) {
    if times.len() >= LIVES {
        times.remove(0);
    }
    times.push(at);
}

fn is_close(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() <= CLOSE
}

fn has(runs: &Runs, version: u64) -> bool {
    runs.iter().any(|(first, last)| (*first..=*last).contains(&version))
}

fn keep(runs: &mut Runs, version: u64) {
    match runs.iter_mut().find(|(first, last)| *first <= version && version <= last.saturating_add(1)) {
        Some((_, last)) => *last = version.max(*last),
        None => {
            if runs.len() >= KEPT {
                runs.remove(0);
            }
            runs.push((version, version));
        }
    }
}

/// When anything in a section was last written, as its `$metadata` says.
pub(super) fn written_at(metadata: &Value) -> Option<Timestamp> {
    metadata.get("$lastUpdated").and_then(Value::as_str).and_then(|text| text.parse().ok())
}
