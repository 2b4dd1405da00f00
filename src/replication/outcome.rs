//! How the identities of a batch ended, and what that means for the batch.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::host::EventBatch;
use crate::model::IdentityId;
use crate::reconcile::{Cause, Reason};

/// How one identity ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// Equal already, or absent on both hubs.
    Equal,
    /// Caused by our own write.
    Echo,
    /// Written, and right now.
    Written,
    /// The active hub cannot be read: what its events said is noted, and applied if it could be.
    Followed,
    /// What a former active hub said is with the active one.
    Settled,
    /// Listed: it is compared when the rejoining ends.
    Listed,
    /// Not right yet, and that is durable.
    Pending(Reason),
    /// The target gave no answer.
    TargetSilent(String),
    /// The batch must be held.
    Held(String),
}

impl Ending {
    /// Not right yet.
    pub(super) fn pending(cause: &Cause) -> Self {
        Self::Pending(cause.reason)
    }
}

/// One identity of a batch.
#[derive(Debug)]
pub(super) struct Ended {
    /// Which.
    pub(super) id: IdentityId,
    /// How.
    pub(super) ending: Ending,
}

/// Counts of a batch.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<&'static str, usize>,
    pending: BTreeMap<&'static str, usize>,
    /// Dead letters.
    pub(super) dead: usize,
    /// Hints about the app's own identities, and events that change nothing.
    pub(super) ignored: usize,
}

impl Tally {
    /// Counts one identity.
    pub(super) fn count(&mut self, one: &Ended) {
        let name = match &one.ending {
            Ending::Equal => "equal",
            Ending::Echo => "echoes",
            Ending::Written => "written",
            Ending::Followed => "followed",
            Ending::Settled => "settled",
            Ending::Listed => "listed",
            Ending::Held(_) => return,
            Ending::Pending(reason) => return *self.pending.entry(reason.as_str()).or_default() += 1,
            Ending::TargetSilent(_) => {
                return *self.pending.entry(Reason::TargetUnreachable.as_str()).or_default() += 1;
            }
        };
        *self.counts.entry(name).or_default() += 1;
    }

    /// The line for the log: counts are of identities.
    pub(super) fn line(&self, function: &str, batch: &EventBatch, took: Duration) -> String {
        let sequence = |record: Option<&crate::host::EventRecord>| {
            record.and_then(|r| r.sequence_number).map_or_else(|| "?".to_owned(), |n| n.to_string())
        };
        let of = |name: &str| self.counts.get(name).copied().unwrap_or_default();
        let pending: usize = self.pending.values().sum();
        let mut line = format!(
            "{function} {}/{} {}..{}: {} events, {} written, {} equal, {pending} pending, {} dead letters",
            batch.event_hub,
            batch.partition,
            sequence(batch.records.first()),
            sequence(batch.records.last()),
            batch.records.len(),
            of("written"),
            of("equal"),
            self.dead,
        );
        for name in ["echoes", "followed", "settled", "listed"].into_iter().filter(|name| of(name) > 0) {
            line.push_str(&format!(", {} {name}", of(name)));
        }
        if self.ignored > 0 {
            line.push_str(&format!(", {} ignored", self.ignored));
        }
        if pending > 0 {
            let reasons: Vec<String> = self.pending.iter().map(|(why, n)| format!("{n} {why}")).collect();
            line.push_str(&format!(" ({})", reasons.join(", ")));
        }
        line.push_str(&format!(", {} ms", took.as_millis()));
        line
    }
}
