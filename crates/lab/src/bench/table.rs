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
        let width = |heading: &str, pick: fn(&Row) -> &str| {
            let cells = self.rows.iter().map(|row| pick(row).chars().count());
            cells.chain([heading.len()]).max().unwrap_or_default()
        };
        let what = width("measured", |row| &row.what);
        let figure = width("figure", |row| &row.figure);
        let goal = width("goal", |row| &row.goal);
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

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn every_goal_stands_beside_its_figure_in_the_order_of_the_letters() {
        let mut table = Table::new(false);
        table.goal("(d) size", "16 MB", "< 15 MB", false);
        table.note("(a) rate", "7");
        let wanted = "\n| measured | figure | goal    | met |\n|----------|--------|---------|-----|\n\
                      | (a) rate | 7      |         |     |\n| (d) size | 16 MB  | < 15 MB | NO  |\n";
        assert_eq!(table.to_string(), wanted);
    }
}
