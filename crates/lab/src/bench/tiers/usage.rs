//! What was used of a tier's limits, as the hubs counted it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::bench::drain::percent;

/// One class at one hub.
#[derive(Debug, Clone)]
pub(super) struct Class {
    name: String,
    admitted: u64,
    refused: u64,
    delayed: u64,
    longest_wait_ms: u64,
    /// Of the whole limit, over the whole run.
    share: f64,
    busiest_minute: f64,
    /// Hub minutes that the limit alone makes it take, with the part of it that is the app's.
    bound: f64,
}

/// One run.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) title: String,
    /// By the hubs' clocks, until both were equal.
    pub(super) minutes: f64,
    pub(super) requests: u64,
    /// The active hub, and the standby.
    pub(super) hubs: [Vec<Class>; 2],
}

/// The classes that were used, of what a hub says of its tier.
pub(super) fn classes(tier: &Value, minutes: f64, part: f64) -> Vec<Class> {
    let classes = tier.get("classes").and_then(Value::as_object);
    let all = classes.into_iter().flatten().map(|(name, counts)| class(name, counts, minutes, part));
    all.filter(|class| class.admitted + class.refused > 0).collect()
}

fn class(name: &str, counts: &Value, minutes: f64, part: f64) -> Class {
    let number = |member: &str| counts.get(member).and_then(Value::as_u64).unwrap_or_default();
    let (admitted, limit) = (number("admitted"), number("limitPerMinute") as f64);
    Class {
        name: name.to_owned(),
        admitted,
        refused: number("refused"),
        delayed: number("delayed"),
        longest_wait_ms: number("longestWaitMs"),
        share: admitted as f64 / (limit * minutes),
        busiest_minute: counts.get("shareOfBusiestMinute").and_then(Value::as_f64).unwrap_or_default(),
        bound: admitted as f64 / (limit * part),
    }
}

impl Usage {
    fn classes(&self) -> impl Iterator<Item = &Class> {
        self.hubs.iter().flatten()
    }

    fn refused(&self) -> u64 {
        self.classes().map(|class| class.refused).sum()
    }

    /// What the scarcest limit alone makes it take.
    fn bound(&self) -> f64 {
        self.classes().map(|class| class.bound).fold(0.0, f64::max)
    }

    /// For the line of its stage.
    pub(super) fn in_short(&self) -> String {
        format!("{} of hub time, {} drawn", time(self.minutes), count(self.refused(), "429"))
    }
}

/// Both tables, in Markdown.
pub(super) fn tables(runs: &[Usage]) -> String {
    let mut text = String::from(
        "\n| run | converged after (hub time) | the limits alone | 429s | requests |\n|---|---|---|---|---|\n",
    );
    for run in runs {
        let (took, bound) = (time(run.minutes), time(run.bound()));
        let (title, refused) = (&run.title, run.refused());
        let _ = writeln!(text, "| {title} | {took} | {bound} | {refused} | {} |", run.requests);
    }
    text.push_str(
        "\n| run | hub | class | operations | share of the limit | busiest minute | queued by the hub | longest | 429s |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for run in runs {
        for (hub, classes) in ["active", "standby"].iter().zip(&run.hubs) {
            for class in classes {
                let Class { name, admitted, refused, delayed, longest_wait_ms, .. } = class;
                let (share, busiest) = (percent(class.share), percent(class.busiest_minute));
                let _ = writeln!(
                    text,
                    "| {} | {hub} | {name} | {admitted} | {share} | {busiest} | {delayed} | {longest_wait_ms} ms | {refused} |",
                    run.title
                );
            }
        }
    }
    text
}

fn time(minutes: f64) -> String {
    if minutes < 1.0 { format!("{:.1} s", minutes * 60.0) } else { format!("{minutes:.1} min") }
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_bound_is_what_the_scarcest_limit_makes_it_take() {
        let tier = json!({"classes": {
            "IdentityRead": {"admitted": 90, "limitPerMinute": 100, "refused": 0, "delayed": 0, "longestWaitMs": 0,
                "shareOfBusiestMinute": 0.5},
            "TwinRead": {"admitted": 300, "limitPerMinute": 6000, "refused": 2, "delayed": 0, "longestWaitMs": 0,
                "shareOfBusiestMinute": 0.1},
            "Query": {"admitted": 0, "limitPerMinute": 20, "refused": 0},
        }});
        let hubs = [classes(&tier, 3.0, 0.5), classes(&tier, 3.0, 1.0)];
        assert_eq!(hubs[0].len(), 2);
        let run = Usage { title: "t".to_owned(), minutes: 3.0, requests: 1, hubs };
        assert!((run.bound() - 1.8).abs() < 1e-9);
        assert_eq!(run.refused(), 4);
        assert!((run.hubs[0][0].share - 0.3).abs() < 1e-9);
        assert!(tables(&[run]).contains("| t | 3.0 min | 1.8 min | 4 | 1 |"));
    }
}
