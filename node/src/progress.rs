//! Progress of long work: a bar with rate and time left where standard error is a terminal, one JSON
//! object a line where a program asked for that.

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

/// How progress is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Mode {
    /// A bar where standard error is a terminal, nothing elsewhere.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// JSON lines on standard error.
    Json,
    /// Nothing.
    None,
}

/// One long piece of work.
pub struct Progress {
    mode: Mode,
    bar: ProgressBar,
    doing: &'static str,
    done: AtomicU64,
    total: Option<u64>,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Entries, files and the like.
    Items,
}

impl Progress {
    /// Begins showing. `total` is absent where it is not known, as for a pipe.
    #[must_use]
    pub fn new(mode: Mode, doing: &'static str, unit: Unit, total: Option<u64>) -> Self {
        let mode = match mode {
            Mode::Auto if io::stderr().is_terminal() => Mode::Bar,
            Mode::Auto => Mode::None,
            mode => mode,
        };
        let bar = match (mode, total) {
            (Mode::Bar, Some(total)) => ProgressBar::new(total),
            (Mode::Bar, None) => ProgressBar::new_spinner(),
            _ => ProgressBar::hidden(),
        };
        if mode == Mode::Bar {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(style(unit, total.is_some()));
            bar.set_message(doing);
        }
        Self { mode, bar, doing, done: AtomicU64::new(0), total }
    }

    /// Counts `more` as done.
    pub fn add(&self, more: u64) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        match self.mode {
            Mode::Bar => self.bar.inc(more),
            Mode::Json => {
                self.event(&json!({"event": self.doing, "done": done, "total": self.total}));
            }
            Mode::Auto | Mode::None => {}
        }
    }

    /// Sets what is done.
    pub fn set(&self, done: u64) {
        let before = self.done.load(Ordering::Relaxed);
        self.add(done.saturating_sub(before));
    }

    /// Tells a program something that is no count, such as the session's id.
    pub fn event(&self, event: &Value) {
        if self.mode == Mode::Json {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(io::stderr(), "{event}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(unit: Unit, total_known: bool) -> ProgressStyle {
    let template = match (unit, total_known) {
        (Unit::Bytes, true) => {
            "{msg} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left"
        }
        (Unit::Bytes, false) => "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec} {elapsed}",
        (Unit::Items, true) => "{msg} [{bar:30}] {pos}/{len} {per_sec} {eta} left",
        (Unit::Items, false) => "{msg} {spinner} {pos} {per_sec} {elapsed}",
    };
    ProgressStyle::with_template(template).expect("the templates above are well formed")
}
