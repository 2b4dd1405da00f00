//! What the user sees: a scene's title and what it is about, and one line per thing that is awaited. On a terminal the
//! line is rewritten in place while its counters move; anywhere else only finished lines are printed. Nothing is wider
//! than 80 columns.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

/// Column where a line's counters begin.
const TITLE_WIDTH: usize = 28;
/// Select Graphic Rendition: bold, faint, green, back to normal.
const BOLD: &str = "\x1b[1m";
const FAINT: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const NORMAL: &str = "\x1b[0m";

/// One awaited thing's line, from its title to its time.
#[derive(Debug)]
pub(crate) struct Line {
    title: String,
    started: Instant,
    live: bool,
    shown: String,
}

impl Line {
    /// Begins to wait.
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

    /// Ends the line with its final counters and its duration.
    pub(crate) fn done(self, counters: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.live {
            print!("\r\x1b[2K");
        }
        let counters = styled(GREEN, counters);
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

/// A scene's title, and in one or two short lines what happens in it and why.
pub(crate) fn scene(title: &str, about: &str) {
    println!("\n{}", styled(BOLD, title));
    for line in about.lines() {
        println!("{}", styled(FAINT, &format!("  {}", line.trim())));
    }
}

/// A line without counters.
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Coloured where a terminal can be: <https://no-color.org>.
fn styled(style: &str, text: &str) -> String {
    let coloured =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    if coloured { format!("{style}{text}{NORMAL}") } else { text.to_owned() }
}
