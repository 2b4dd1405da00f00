//! What a batch came to, in one line.

use std::collections::BTreeMap;
use std::time::Duration;

use super::debt::Reason;
use super::pass::Fate;
use super::worked::Worked;
use crate::host::EventBatch;

/// Counts of a batch.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Identities written.
    pub(crate) written: usize,
    /// Identities equal already, or absent on both hubs.
    pub(crate) equal: usize,
    /// Echoes of our own writes.
    pub(crate) echoes: usize,
    /// Followed without the source.
    pub(crate) carried: usize,
    /// Backlog of a former active brought to the active.
    pub(crate) backlog: usize,
    /// Acknowledged against the comparison that is owed since the cut.
    pub(crate) noted: usize,
    /// Hints about the app's own identities, and those that change nothing.
    pub(crate) ignored: usize,
    /// Dead letters.
    pub(crate) dead: usize,
    /// Owed, by reason.
    pub(crate) owed: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Counts one identity.
    pub(crate) fn count(&mut self, one: &Worked) {
        match &one.fate {
            Fate::Equal => self.equal += 1,
            Fate::Echo => self.echoes += 1,
            Fate::Written => self.written += 1,
            Fate::Carried => self.carried += 1,
            Fate::Backlog => self.backlog += 1,
            Fate::Noted => self.noted += 1,
            Fate::Ignored | Fate::Hold(_) => self.ignored += 1,
            Fate::Owed(debt) => *self.owed.entry(debt.reason.as_str()).or_default() += 1,
            Fate::NoAnswer(_) => *self.owed.entry(Reason::TargetUnreachable.as_str()).or_default() += 1,
        }
    }

    /// The line for the log: counts are of identities.
    pub(crate) fn line(&self, function: &str, batch: &EventBatch, took: Duration) -> String {
        let sequence = |record: Option<&crate::host::EventRecord>| {
            record.and_then(|r| r.sequence_number).map_or_else(|| "?".to_owned(), |n| n.to_string())
        };
        let owed: usize = self.owed.values().sum();
        let mut line = format!(
            "{function} {}/{} {}..{}: {} events, {} written, {} equal, {owed} owed, {} dead letters",
            batch.event_hub,
            batch.partition,
            sequence(batch.records.first()),
            sequence(batch.records.last()),
            batch.records.len(),
            self.written,
            self.equal,
            self.dead,
        );
        let more = [
            (self.echoes, "echoes"),
            (self.carried, "carried"),
            (self.backlog, "backlog"),
            (self.noted, "noted"),
            (self.ignored, "ignored"),
        ];
        for (count, name) in more.into_iter().filter(|(count, _)| *count > 0) {
            line.push_str(&format!(", {count} {name}"));
        }
        if owed > 0 {
            let reasons: Vec<String> = self.owed.iter().map(|(why, n)| format!("{n} {why}")).collect();
            line.push_str(&format!(" ({})", reasons.join(", ")));
        }
        line.push_str(&format!(", {} ms", took.as_millis()));
        line
    }
}
