//! The table, in Markdown, with each goal beside its figure.

use std::fmt;

/// One row.
#[derive(Debug)]
struct Row {
    what: String,
    figure: String,
    goal: String,
    met: Option<bool>,
}

/// All rows of one run.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
    quick: bool,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(quick: bool) -> Self {
        Self { rows: Vec::new(), quick }
    }

    /// A figure with a goal, and whether it is met.
    pub(crate) fn goal(&mut self, what: impl ToString, figure: impl ToString, goal: &str, met: bool) {
        self.push(what.to_string(), figure.to_string(), goal, Some(met));
    }

    /// A figure that only explains another one.
    pub(crate) fn note(&mut self, what: impl ToString, figure: impl ToString) {
        self.push(what.to_string(), figure.to_string(), "", None);
    }

    fn push(&mut self, what: String, figure: String, goal: &str, met: Option<bool>) {
        self.rows.push(Row { what, figure, goal: goal.to_owned(), met });
        // By the letter they begin with; within a letter as they were measured.
        self.rows.sort_by(|a, b| a.what.chars().take(3).cmp(b.what.chars().take(3)));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quick {
            writeln!(f, "\nA quick run: it shows that everything works, its figures mean little.")?;
        }
        let width = |pick: fn(&Row) -> &str| self.rows.iter().map(|row| pick(row).chars().count()).max();
        let what = width(|row| &row.what).unwrap_or_default();
        let figure = width(|row| &row.figure).unwrap_or_default();
        let goal = width(|row| &row.goal).unwrap_or_default();
        writeln!(f, "\n| {:what$} | {:figure$} | {:goal$} | met |", "measured", "figure", "goal")?;
        writeln!(
            f,
            "|{:-<w$}|{:-<x$}|{:-<y$}|-----|",
            "",
            "",
            "",
            w = what + 2,
            x = figure + 2,
            y = goal + 2
        )?;
        for row in &self.rows {
            let met = row.met.map_or("", |met| if met { "yes" } else { "NO" });
            let (w, x, y) = (&row.what, &row.figure, &row.goal);
            writeln!(f, "| {w:what$} | {x:figure$} | {y:goal$} | {met:3} |")?;
        }
        Ok(())
    }
}
