//! Whether a run was good, and what is printed of it.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::account::{self, Evidence, Verdict};
use super::ledger::{Write, device_of};
use super::mishaps::Mishaps;
use super::options::SwitchOptions;
use super::promotion::Promotion;
use super::report;
use crate::error::LabError;
use crate::terminal::say;

/// Where every lost write is told, beside the logs.
const LOST: &str = "lost.txt";

/// All that is known of a run.
#[derive(Debug)]
pub(super) struct Run<'a> {
    options: &'a SwitchOptions,
    writes: &'a [Write],
    evidence: &'a Evidence,
    promotions: &'a [Promotion],
    verdicts: Vec<(usize, Verdict)>,
}

impl<'a> Run<'a> {
    /// Accounts for every write.
    pub(super) fn new(
        options: &'a SwitchOptions,
        writes: &'a [Write],
        evidence: &'a Evidence,
        promotions: &'a [Promotion],
    ) -> Self {
        Self { options, writes, evidence, promotions, verdicts: account::account(writes, evidence) }
    }

    /// The devices of the lost writes that are shown.
    pub(super) fn devices_in_question(&self) -> BTreeSet<String> {
        self.lost()
            .into_iter()
            .take(self.options.show)
            .map(|write| device_of(&write.change.identity).to_owned())
            .collect()
    }

    fn lost(&self) -> Vec<&'a Write> {
        let lost = self.verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Lost);
        lost.filter_map(|(index, _)| self.writes.get(*index)).collect()
    }

    /// Prints the tables and what is known of lost writes, which is kept whole in `logs`.
    ///
    /// # Errors
    /// When a write is lost, the hubs differ, or a promotion did not come to its end.
    pub(super) fn judge(&self, logs: &Path, mishaps: &Mishaps) -> Result<(), LabError> {
        let writes = self.lost();
        let lost = self.told(&writes);
        let differences = account::differences(self.evidence);
        let whole = lost.iter().chain(&differences).map(|line| format!("{line}\n")).collect::<String>();
        std::fs::write(logs.join(LOST), whole).map_err(LabError::file(logs))?;
        self.print(&report::counted(self.writes, &self.verdicts), &writes, &lost, mishaps);
        if lost.is_empty() && differences.is_empty() && self.missing() == 0 {
            return Ok(());
        }
        Err(LabError::Lost(self.in_words(lost.len(), &differences)))
    }

    /// What is known of each lost write.
    fn told(&self, lost: &[&Write]) -> Vec<String> {
        let mut by_identity: HashMap<&str, Vec<&Write>> = HashMap::new();
        for write in self.writes {
            by_identity.entry(&write.change.identity).or_default().push(write);
        }
        let told = lost.iter().filter_map(|write| {
            let of_identity = by_identity.get(write.change.identity.as_str())?;
            Some(report::lost(write, of_identity, self.evidence, self.promotions))
        });
        told.collect()
    }

    fn print(&self, counts: &report::Counts, lost: &[&Write], told: &[String], mishaps: &Mishaps) {
        if !self.promotions.is_empty() {
            say(&report::promotions_table(self.promotions));
        }
        say(&report::writes_table(counts));
        for told in told.iter().take(self.options.show) {
            say(told);
        }
        if !lost.is_empty() {
            say(&report::phases(lost, self.promotions));
        }
        let unanswered = self.writes.len() - counts.values().sum::<usize>();
        say(&report::summary(self.options, counts, unanswered, self.promotions, mishaps));
    }

    /// Promotions that did not come to their end. Those that there was no time for are none.
    fn missing(&self) -> usize {
        let wanted = match self.options.minutes {
            Some(_) => self.promotions.len(),
            None => (self.options.planned + self.options.forced) as usize,
        };
        wanted - self.promotions.iter().filter(|promotion| promotion.is_complete()).count()
    }

    fn in_words(&self, lost: usize, differences: &[String]) -> String {
        let shown: String =
            differences.iter().take(self.options.show).map(|line| format!("\n  {line}")).collect();
        format!(
            "{lost} writes lost, {} differences between the hubs, {} promotions that did not come to their end{shown}",
            differences.len(),
            self.missing()
        )
    }
}
