//! What the user sees: one line per stage. On a terminal the line is rewritten in place while its
//! counters move; anywhere else only finished lines are printed.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

/// Column where a stage's counters begin.
const TITLE_WIDTH: usize = 34;

/// One stage's line, from its title to its time.
#[derive(Debug)]
pub(crate) struct Line {
    title: String,
    started: Instant,
    live: bool,
    shown: String,
}

impl Line {
    /// Begins a stage.
    pub(crate) fn start(title: &str) -> Self {
        let live = std::io::stdout().is_terminal();
        let line = Self { title: title.to_owned(), started: Instant::now(), live, shown: String::new() };
        line.rewrite("…");
        line
    }

    /// Shows counters, in place; nothing when the output is not a terminal.
    pub(crate) fn show(&mut self, counters: &str) {
        if counters != self.shown {
            self.rewrite(counters);
            counters.clone_into(&mut self.shown);
        }
    }

    /// Ends the stage with its final counters and its duration.
    pub(crate) fn done(self, counters: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.live {
            print!("\r\x1b[2K");
        }
        println!("  {:TITLE_WIDTH$} {counters}  ({seconds:.1} s)", self.title);
    }

    fn rewrite(&self, counters: &str) {
        if self.live {
            print!("\r\x1b[2K  {:TITLE_WIDTH$} {counters}", self.title);
            // A terminal that cannot be written to shows nothing, and that is all.
            let _ = std::io::stdout().flush();
        }
    }
}

/// A line without counters.
pub(crate) fn say(text: &str) {
    println!("{text}");
}
