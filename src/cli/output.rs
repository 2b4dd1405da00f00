//! What commands print: results on stdout, complaints and progress on stderr. A reader that has
//! gone (`| head`) is no failure.

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::routing::RecordError;

/// Exit codes.
pub mod exit {
    /// Done, or nothing to do.
    pub const DONE: u8 = 0;
    /// Refused, or something is wrong.
    pub const REFUSED: u8 = 1;
    /// Storage gives no answer (`EX_UNAVAILABLE`).
    pub const NO_STORAGE: u8 = 69;
    /// Ended by Ctrl-C or SIGTERM, with nothing left behind.
    pub const INTERRUPTED: u8 = 130;
}

/// A line of the result.
pub(super) fn show(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line about what is going on, or wrong.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A JSON document.
pub(super) fn show_json(document: &impl Serialize) {
    match serde_json::to_string(document) {
        Ok(text) => show(&text),
        Err(error) => complain(&format!("not shown: {error}")),
    }
}

/// Says that storage fails; the exit code.
pub(super) fn storage_failed(error: &RecordError) -> u8 {
    complain(&error.to_string());
    match error {
        RecordError::Unavailable(_) => exit::NO_STORAGE,
        RecordError::Lost | RecordError::Refused(_) | RecordError::Unreadable(_) => exit::REFUSED,
    }
}

/// Rows with their columns below each other; the last one may be of any length.
pub(super) fn show_columns<const N: usize>(rows: &[[String; N]]) {
    columns(rows).iter().for_each(|line| show(line));
}

/// As [`show_columns`] prints them.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// `1 dead letter`, `2 dead letters`.
pub(super) fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Whether a person looks at what [`show`] prints.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Things in storage are counted so far.
pub(super) const COUNTED: usize = 10_000;

/// A count that may have ended early.
pub(super) fn counted(n: usize) -> String {
    if n >= COUNTED { format!("{n} or more") } else { n.to_string() }
}

/// `[#####-----]`: how much of `all` is done; nothing done of nothing.
pub(super) fn bar(done: usize, all: usize) -> String {
    const WIDTH: usize = 20;
    let filled = done.min(all).saturating_mul(WIDTH).checked_div(all).unwrap_or_default();
    format!("[{}{}]", "#".repeat(filled), "-".repeat(WIDTH.saturating_sub(filled)))
}

/// `3 s`, `12 min`, `5 h`, `9 d`.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    span(Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

/// The same, of a duration.
pub(super) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let shown: Vec<String> =
            [0, 119, 120, 7199, 7200, 200_000].map(|s| span(Duration::from_secs(s))).into();
        assert_eq!(shown, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
    }

    #[test]
    fn columns_stand_below_each_other_and_nothing_is_behind_the_last() {
        let rows = [["a", "bö", "c"], ["long", "b", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), ["a     bö  c", "long  b"]);
        assert_eq!(
            (count(1, "loss report"), count(0, "loss report")),
            ("1 loss report".into(), "0 loss reports".into())
        );
    }

    #[test]
    fn a_clock_that_is_behind_makes_no_negative_age() {
        assert_eq!(age(Timestamp::MAX, Timestamp::UNIX_EPOCH), "0 s");
    }

    #[test]
    fn a_bar_is_full_when_all_is_done_and_empty_when_there_is_nothing() {
        assert_eq!(bar(2, 2), "[####################]");
        assert_eq!(bar(1, 3), "[######--------------]");
        assert_eq!(bar(0, 0), "[--------------------]");
        assert_eq!(bar(5, 2), bar(1, 1));
    }
}
