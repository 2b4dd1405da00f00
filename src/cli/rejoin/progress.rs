//! How far a rejoining is.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::listed::{Listed, listed};
use crate::cli::context::Context;
use crate::cli::output::{bar, span};
use crate::fleet::{Markers, Rejoin, Stage};
use crate::routing::{Phase, RecordError, RoutingRecord, StandbyState};

/// How far the hub that is not active is on its way back.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Progress {
    /// What it waits for.
    pub(in crate::cli) stage: Stage,
    planned: bool,
    accepted: bool,
    passed: usize,
    known: usize,
    /// What changed since the roles did.
    pub(in crate::cli) listed: Listed,
    began: Timestamp,
    ends_after: Timestamp,
}

impl Progress {
    /// `None` when the standby is in sync.
    pub(in crate::cli) async fn look(
        context: &Context,
        record: &RoutingRecord,
    ) -> Result<Option<Self>, RecordError> {
        if record.standby_state == StandbyState::InSync {
            return Ok(None);
        }
        let (store, hub) = (&context.clients.store, context.clients.hubs.get(record.standby));
        let ends_after = Rejoin::ends_after(record, context.config.router_valid);
        let markers = Markers::new(hub.clone(), record.standby, store.clone());
        let (behind, known) = markers.behind(ends_after).await?;
        let stage = match record.phase {
            Phase::Promoting => Stage::Promoting,
            Phase::Steady => context.rejoin().look(record).await.map_err(RecordError::Unavailable)?,
        };
        Ok(Some(Self {
            stage,
            planned: record.planned,
            accepted: record.rejoin_accepted,
            passed: known.saturating_sub(behind.len()),
            known,
            listed: listed(store).await?,
            began: record.cut.unwrap_or(record.changed_at),
            ends_after,
        }))
    }

    /// For a program. `pending` is counted by whoever shows it. `listed` is `null` where all that both hubs have owes
    /// a comparison.
    pub(in crate::cli) fn document(&self, pending: usize) -> Value {
        json!({
            "stage": word(&self.stage),
            "planned": self.planned,
            "accepted": self.accepted,
            "partitionsPassed": self.passed,
            "partitionsKnown": self.known,
            "pending": pending,
            "listed": self.listed.count(),
            "endsAfter": self.ends_after,
        })
    }

    /// For a person; with bars on a terminal.
    pub(in crate::cli) fn lines(&self, now: Timestamp, bars: bool) -> Vec<String> {
        let line = |name: &str, done: usize, all: usize, text: String| match bars {
            true => format!("{name:<14}{}  {text}", bar(done, all)),
            false => format!("{name:<14}{text}"),
        };
        let (moved, all) = self.moved(now);
        let mut lines = vec![format!("{:<14}{}", "stage", in_words(&self.stage))];
        if moved < all {
            let text = format!("{} of {}", span(moved), span(all));
            lines.push(line("moving", seconds(moved), seconds(all), text));
        }
        lines.push(line("partitions", self.passed, self.known, self.partitions()));
        lines.push(format!("{:<14}{}", "listed", self.listed()));
        lines
    }

    /// How much of the time that clients need to move is over.
    fn moved(&self, now: Timestamp) -> (Duration, Duration) {
        let since = |at: Timestamp| Duration::try_from(at.duration_since(self.began)).unwrap_or_default();
        let all = since(self.ends_after);
        (since(now).min(all), all)
    }

    fn partitions(&self) -> String {
        match self.known {
            0 => "none is known yet".to_owned(),
            known => format!("{} of {known} have passed the time that clients need to move", self.passed),
        }
    }

    fn listed(&self) -> String {
        match self.listed.count() {
            Some(0) => "nothing changed since the roles did".to_owned(),
            Some(1) => "1 identity to compare".to_owned(),
            Some(count) => format!("{count} identities to compare"),
            None => "too many changed: all that both hubs have is compared".to_owned(),
        }
    }
}

fn seconds(duration: Duration) -> usize {
    usize::try_from(duration.as_secs()).unwrap_or(usize::MAX)
}

/// In one word, for a program.
fn word(stage: &Stage) -> &'static str {
    match stage {
        Stage::InSync => "in-sync",
        Stage::Promoting => "promoting",
        Stage::NotAccepted => "not-accepted",
        Stage::Moving(_) => "moving",
        Stage::FormerDown(_) => "former-down",
        Stage::Partitions(..) => "partitions",
        Stage::Pending(_) => "pending",
        Stage::Comparing(_) => "comparing",
    }
}

/// In one sentence.
pub(in crate::cli) fn in_words(stage: &Stage) -> String {
    match stage {
        Stage::InSync => "in sync: nothing to end".to_owned(),
        Stage::Promoting => "a promotion is under way".to_owned(),
        Stage::NotAccepted => {
            "ready to end: `iot-hadr rejoin --accept` brings the former active hub back in sync".to_owned()
        }
        Stage::Moving(until) => format!("clients may still move, until {until:.0}"),
        Stage::FormerDown(why) => format!("the former active hub does not answer: {why}"),
        Stage::Partitions(passed, known) => {
            format!("{passed} of {known} partitions have passed the time that clients need to move")
        }
        Stage::Pending(1) => "1 identity is pending".to_owned(),
        Stage::Pending(count) => format!("{count} identities are pending"),
        Stage::Comparing(0) => "what changed is compared now".to_owned(),
        Stage::Comparing(count) => format!("comparing what changed: {count} in this run"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    fn progress(stage: Stage, passed: usize) -> Progress {
        Progress {
            stage,
            planned: true,
            accepted: false,
            passed,
            known: 4,
            listed: Listed::These(BTreeMap::from([("pump".parse().unwrap(), false)])),
            began: "2026-01-01T00:00:00Z".parse().unwrap(),
            ends_after: "2026-01-01T00:01:40Z".parse().unwrap(),
        }
    }

    #[test]
    fn while_clients_move_it_says_for_how_long_with_bars_on_a_terminal_only() {
        let now = "2026-01-01T00:00:25Z".parse().unwrap();
        let moving = progress(Stage::Moving("2026-01-01T00:01:40Z".parse().unwrap()), 0);
        let plain = [
            "stage         clients may still move, until 2026-01-01T00:01:40Z",
            "moving        25 s of 100 s",
            "partitions    0 of 4 have passed the time that clients need to move",
            "listed        1 identity to compare",
        ];
        assert_eq!(moving.lines(now, false), plain);
        let bars = moving.lines(now, true);
        assert_eq!(bars.get(1).unwrap(), "moving        [#####---------------]  25 s of 100 s");
        assert!(bars.get(2).unwrap().starts_with("partitions    [--------------------]  0 of 4"), "{bars:?}");
    }

    #[test]
    fn once_they_have_moved_the_time_is_not_shown_any_more() {
        let now = "2026-01-01T00:05:00Z".parse().unwrap();
        let lines = progress(Stage::Partitions(3, 4), 3).lines(now, true);
        assert!(
            lines.get(1).unwrap().starts_with("partitions    [###############-----]  3 of 4"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_program_reads_the_stage_as_a_word_and_all_as_null() {
        let mut compared = progress(Stage::Comparing(0), 4);
        let expected = json!({
            "stage": "comparing", "planned": true, "accepted": false, "partitionsPassed": 4, "partitionsKnown": 4,
            "pending": 2, "listed": 1, "endsAfter": "2026-01-01T00:01:40Z",
        });
        assert_eq!(compared.document(2), expected);
        compared.listed = Listed::Everything;
        assert_eq!(compared.document(2).get("listed"), Some(&Value::Null));
    }
}
