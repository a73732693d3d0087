//! What a benchmark found: tables for people, every raw figure as JSON.

use std::{
    fmt::{self, Write as _},
    fs,
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::samples::Spread;

/// Why writing to a string cannot fail.
const STRING: &str = "a string takes what it is given";

/// A report in the making.
#[derive(Default)]
pub(crate) struct Report {
    text: String,
    raw: Map<String, Value>,
    failures: Vec<String>,
}

impl Report {
    /// Adds a paragraph.
    pub(crate) fn paragraph(&mut self, text: impl fmt::Display) {
        write!(self.text, "{text}\n\n").expect(STRING);
    }

    /// Adds a table under a heading.
    pub(crate) fn table(&mut self, heading: &str, table: &Table) {
        write!(self.text, "### {heading}\n\n{table}\n").expect(STRING);
    }

    /// Adds raw figures.
    pub(crate) fn raw(&mut self, name: &str, figures: &impl Serialize) -> Result<()> {
        self.raw.insert(name.to_owned(), serde_json::to_value(figures)?);
        Ok(())
    }

    /// Says that something is not as it must be: the report is still printed and written.
    pub(crate) fn fail(&mut self, why: String) {
        self.failures.push(why);
    }

    /// An error where something is not as it must be.
    pub(crate) fn outcome(&self) -> Result<()> {
        ensure!(self.failures.is_empty(), "{}", self.failures.join("; "));
        Ok(())
    }

    /// Prints the tables.
    pub(crate) fn print(&self) -> Result<()> {
        Ok(io::stdout().write_all(self.text.as_bytes())?)
    }

    /// Writes the raw figures.
    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.raw)?;
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A markdown table.
pub(crate) struct Table {
    columns: usize,
    text: String,
}

impl Table {
    /// A table with these headings and no rows.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut table = Self { columns: headings.len(), text: String::new() };
        table.row(headings.iter().map(ToString::to_string));
        table.row(headings.iter().map(|_| "---".to_owned()));
        table
    }

    /// Adds a row; it has as many cells as there are headings.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.columns, "a cell for each heading");
        writeln!(self.text, "| {} |", cells.join(" | ")).expect(STRING);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A spread as `median (min to max)`, three digits each.
pub(crate) fn spread(spread: Option<Spread>) -> String {
    let Some(Spread { median, min, max }) = spread else { return "not measured".to_owned() };
    format!("{} ({} to {})", digits(median), digits(min), digits(max))
}

/// A figure with three digits that count.
pub(crate) fn digits(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure if figure >= 1.0 => format!("{figure:.2}"),
        figure => format!("{figure:.3}"),
    }
}

/// Bytes as MiB, one decimal.
pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_markdown() {
        let mut table = Table::new(&["what", "GB/s"]);
        table.row(["hash".to_owned(), digits(3.456)]);
        assert_eq!(table.to_string(), "| what | GB/s |\n| --- | --- |\n| hash | 3.46 |\n");
    }

    #[test]
    fn three_digits_count() {
        assert_eq!([0.12345, 1.2345, 12.345, 123.45].map(digits), ["0.123", "1.23", "12.3", "123"]);
        assert_eq!(mebibytes(1_572_864.0), "1.5");
        let row = Spread::of([1.0, 2.0, 4.0]);
        assert_eq!(spread(row), "2.00 (1.00 to 4.00)");
    }
}
