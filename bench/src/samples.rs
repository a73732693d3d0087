//! Repeated measurements: rows that take turns, and what is said of their figures.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use crate::quiet::{self, Quiet, Watch};

/// How long one sample of a row lasts at least: ten ticks of the clock that tells of others.
const SAMPLE_SECONDS: f64 = 0.1;

/// Median and bounds of some figures.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of `figures`; `None` where there are none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => f64::midpoint(figures[middle - 1], figures[middle]),
            _ => figures[middle],
        };
        Some(Self { median, min, max })
    }
}

/// What one call of a row does.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Goes through this many bytes in memory; its figure is GB/s of processor time, which is the
    /// clock's where the core is its own.
    Bytes(usize),
    /// One operation in memory; its figure is microseconds of processor time.
    Operation,
    /// Takes this many bytes to or from the disk; its figure is GB/s by the clock.
    DiskBytes(usize),
    /// One operation on the disk; its figure is microseconds by the clock.
    DiskOperation,
}

/// One line of a table and its samples.
#[derive(Serialize)]
pub(crate) struct Row<'a> {
    /// Rows of one group stand together.
    pub(crate) group: &'static str,
    /// What is measured.
    pub(crate) name: String,
    /// What one call does.
    pub(crate) work: Work,
    /// Calls in a sample.
    calls: u32,
    /// Seconds of each sample, divided by its calls.
    seconds: Vec<f64>,
    #[serde(skip)]
    call: Box<dyn FnMut() -> Result<()> + 'a>,
}

impl<'a> Row<'a> {
    /// A row that was not measured yet.
    pub(crate) fn new(
        group: &'static str,
        name: impl Into<String>,
        work: Work,
        call: impl FnMut() -> Result<()> + 'a,
    ) -> Self {
        let (name, call) = (name.into(), Box::new(call));
        Self { group, name, work, calls: 1, seconds: Vec::new(), call }
    }

    /// Warms up and finds how many calls fill a sample.
    fn calibrate(&mut self) -> Result<()> {
        (self.call)()?;
        let start = Instant::now();
        let mut calls = 0;
        while calls == 0 || (start.elapsed().as_secs_f64() < SAMPLE_SECONDS && calls < 1 << 20) {
            (self.call)()?;
            calls += 1;
        }
        self.calls = calls;
        Ok(())
    }

    fn sample(&mut self) -> Result<f64> {
        let (start, own_s) = (Instant::now(), quiet::own_s());
        for _ in 0..self.calls {
            (self.call)()?;
        }
        let seconds = match self.work {
            Work::Bytes(_) | Work::Operation => quiet::own_s() - own_s,
            Work::DiskBytes(_) | Work::DiskOperation => start.elapsed().as_secs_f64(),
        };
        Ok(seconds / f64::from(self.calls))
    }

    /// The row's figure, see [`Work`].
    pub(crate) fn figures(&self) -> impl Iterator<Item = f64> {
        self.seconds.iter().map(|seconds| match self.work {
            Work::Bytes(bytes) | Work::DiskBytes(bytes) => bytes as f64 / seconds / 1e9,
            Work::Operation | Work::DiskOperation => seconds * 1e6,
        })
    }

    /// The unit of its figures.
    pub(crate) fn unit(&self) -> &'static str {
        match self.work {
            Work::Bytes(_) | Work::DiskBytes(_) => "GB/s",
            Work::Operation | Work::DiskOperation => "µs",
        }
    }

    /// The spread of its figures, once it was measured.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.figures())
    }
}

/// Measures all rows `rounds` times, in turns.
pub(crate) fn measure(rows: &mut [Row<'_>], rounds: u32, quiet: &Quiet) -> Result<()> {
    rows.iter_mut().try_for_each(Row::calibrate)?;
    for _ in 0..rounds {
        for row in &mut *rows {
            let seconds = quiet.measure(|| {
                let watch = Watch::begin()?;
                Ok((row.sample()?, watch.others(0.0)?))
            })?;
            row.seconds.push(seconds);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quiet::Patience;

    #[test]
    fn the_middle_and_the_bounds() {
        let spread = Spread::of([3.0, 1.0, 8.0]).unwrap();
        let shown = |spread: Spread| format!("{} {} {}", spread.min, spread.median, spread.max);
        assert_eq!(shown(spread), "1 3 8");
        assert_eq!(shown(Spread::of([4.0, 1.0, 2.0, 8.0]).unwrap()), "1 3 8");
        assert!(Spread::of([]).is_none());
    }

    #[test]
    fn rows_take_turns_and_errors_end_it() {
        let quiet = Patience::default().begin();
        let calls = std::cell::RefCell::new(Vec::new());
        let row = |name: &'static str| {
            let calls = &calls;
            Row::new("group", name, Work::Operation, move || {
                calls.borrow_mut().push(name);
                std::thread::sleep(std::time::Duration::from_secs_f64(SAMPLE_SECONDS));
                Ok(())
            })
        };
        let mut rows = [row("a"), row("b")];
        measure(&mut rows, 2, &quiet).unwrap();
        assert_eq!(rows[1].figures().count(), 2);
        drop(rows);
        assert_eq!(*calls.borrow(), ["a", "a", "b", "b", "a", "b", "a", "b"]);
        let mut bad = [Row::new("group", "bad", Work::Operation, || anyhow::bail!("it fails"))];
        assert!(measure(&mut bad, 1, &quiet).is_err());
    }
}
