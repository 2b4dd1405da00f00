//! Up to when what one hub said has been settled.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::own::written_at;
use crate::model::{Section, SectionWrites, TwinDocument, TwinWrites};

/// Up to when what one hub said has been settled under the roles of one epoch: it is on the active hub, or yielded there.
/// Where the active hub says something else now, its clients did that, also before their event is heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Decided {
    epoch: u64,
    pub(super) tags: Mark,
    pub(super) desired: Mark,
    pub(super) reported: Mark,
}

/// The same of one section. What events say and what a twin shows are of two clocks, and neither implies the other:
/// what is gone only events tell, and what was said while the hub was active only its twin may show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Mark {
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<Timestamp>,
}

impl Mark {
    pub(super) fn covers_heard(&self, at: Option<Timestamp>) -> bool {
        at.is_some_and(|at| self.heard.is_some_and(|heard| at <= heard))
    }

    pub(super) fn covers_shown(&self, at: Option<Timestamp>) -> bool {
        at.is_some_and(|at| self.shown.is_some_and(|shown| at <= shown))
    }

    fn open(&self, heard: &SectionWrites) -> SectionWrites {
        heard.only(|path| heard.written_at(path).is_none_or(|at| !self.covers_heard(at)))
    }

    /// What is heard only now was not settled, though it be no younger than what was.
    fn hear(&mut self, writes: &SectionWrites) {
        let Some(at) = writes.newest().filter(|at| self.covers_heard(Some(*at))) else { return };
        self.heard = at.checked_sub(SignedDuration::from_nanos(1)).ok();
    }

    fn settle(&mut self, heard: &SectionWrites, shown: Option<&Section>) {
        self.heard = self.heard.max(heard.newest());
        self.shown = self.shown.max(shown.and_then(|section| written_at(&section.metadata)));
    }
}

impl Decided {
    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self { epoch: self.epoch, ..Self::default() }
    }

    /// What was settled under these roles; those of another epoch asked another question.
    pub(crate) fn under(self, epoch: u64) -> Self {
        if self.epoch == epoch { self } else { Self { epoch, ..Self::default() } }
    }

    /// Its events said more.
    pub(crate) fn hear(&mut self, writes: &TwinWrites) {
        self.tags.hear(&writes.tags);
        self.desired.hear(&writes.desired);
        self.reported.hear(&writes.reported);
    }

    /// What of this that its events said is not settled.
    pub(crate) fn open(&self, heard: &TwinWrites) -> TwinWrites {
        TwinWrites {
            tags: self.tags.open(&heard.tags),
            desired: self.desired.open(&heard.desired),
            reported: self.reported.open(&heard.reported),
        }
    }

    /// All that its events said by now is settled, and what its twin showed, where that was read.
    pub(crate) fn settle(&mut self, heard: &TwinWrites, shown: Option<&TwinDocument>) {
        self.tags.settle(&heard.tags, None);
        self.desired.settle(&heard.desired, shown.map(|twin| &twin.desired));
        self.reported.settle(&heard.reported, shown.map(|twin| &twin.reported));
    }
}
