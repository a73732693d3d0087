//! What is said: progress on standard error, and at the end what was done and what failed and why.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    time::Duration,
};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How a step ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "snake_case")]
pub(crate) enum Said {
    /// It was done.
    Done,
    /// It was done, but for what is said.
    Part(String),
    /// It needed not be done again.
    Same(String),
    /// It was tried.
    Failed(String),
    /// What it needs failed.
    NotTried(String),
}

/// A step, for the table.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) step: String,
    /// The image's full name, where the step is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) seconds: f64,
    #[serde(flatten)]
    pub(crate) said: Said,
}

/// Whether nothing failed.
pub(crate) fn is_whole(rows: &[Row]) -> bool {
    rows.iter().all(|row| matches!(row.said, Said::Done | Said::Part(_) | Said::Same(_)))
}

/// The steps as text, a line each; `result` comes before what failed.
pub(crate) fn table(rows: &[Row], result: &str) -> String {
    let mut text = String::new();
    for Row { step, seconds, said, .. } in rows {
        let (word, why) = match said {
            Said::Done => ("done", format!("{seconds:.1} s")),
            Said::Part(why) => ("in part", why.clone()),
            Said::Same(why) => ("as before", why.clone()),
            Said::Failed(why) => ("FAILED", why.clone()),
            Said::NotTried(why) => ("not tried", why.clone()),
        };
        // Writing to a text does not fail.
        let _ = writeln!(text, "{step:34}  {word:9}  {why}");
    }
    text.push_str(result);
    let failed = rows.iter().filter(|row| matches!(row.said, Said::Failed(_))).count();
    if failed > 0 {
        let _ =
            writeln!(text, "{failed} of {} failed; run it again to go on from here", rows.len());
    }
    text
}

/// Prints what would be done.
///
/// # Errors
/// Standard output's.
pub(crate) fn print_steps(steps: &[(String, Vec<String>)], json: bool) -> Result<()> {
    if json {
        return print_json(&steps);
    }
    let mut text = String::new();
    for (step, commands) in steps {
        text.push_str(&format!("{step}\n"));
        text.extend(commands.iter().map(|command| format!("  {command}\n")));
    }
    print_text(&text)
}

/// Prints one JSON value on a line of standard output.
///
/// # Errors
/// Standard output's.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).context("writing JSON")?;
    print_text(&format!("{text}\n"))
}

/// Prints to standard output.
///
/// # Errors
/// Its own.
pub(crate) fn print_text(text: &str) -> Result<()> {
    io::stdout().lock().write_all(text.as_bytes()).context("writing to standard output")
}

/// Says something on standard error.
pub(crate) fn notice(text: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// How far it is.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    count: usize,
}

impl Progress {
    pub(crate) fn new(count: usize) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").ok();
        let bar = style.filter(|_| io::stderr().is_terminal()).map(|style| {
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, count }
    }

    /// A step begins; `left` is how many seconds it and the rest take, where that is known.
    pub(crate) fn begin(&self, place: usize, step: &str, left: Option<f64>) {
        let left =
            left.map_or_else(String::new, |seconds| format!(", about {} left", time(seconds)));
        let text = format!("[{place}/{}] {step}{left}", self.count);
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => notice(&text),
        }
    }

    /// What a step that takes long is at.
    pub(crate) fn at(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => notice(&format!("        {text}")),
        }
    }

    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A duration in seconds, as people say it.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        ..=90.0 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} min", (seconds / 60.0).ceil()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_failed_and_why() {
        let row = |step: &str, said| Row { step: step.to_owned(), name: None, seconds: 1.25, said };
        let mut rows =
            vec![row("build", Said::Done), row("tag api-server", Said::Same("it has it".into()))];
        rows.push(row("SBOM for linux/arm64", Said::Part("without packages".into())));
        assert!(is_whole(&rows));
        rows.push(row("push api-server", Said::Failed("connection refused".into())));
        assert!(!is_whole(&rows));
        let table = table(&rows, "image sha256:00\n");
        for words in [
            "build ",
            "done       1.2 s",
            "as before  it has it",
            "in part    without packages",
            "FAILED     connection refused",
            "image sha256:00",
            "1 of 4 failed; run it again",
        ] {
            assert!(table.contains(words), "{words}: {table}");
        }
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(json[3]["result"], "failed");
        assert_eq!(json[3]["why"], "connection refused");
        assert_eq!(json[2]["result"], "part");
        assert_eq!(json[0]["result"], "done");
    }

    #[test]
    fn times_are_short() {
        for (seconds, text) in [(0.4, "0 s"), (90.0, "90 s"), (91.0, "2 min"), (600.0, "10 min")] {
            assert_eq!(time(seconds), text);
        }
    }
}
