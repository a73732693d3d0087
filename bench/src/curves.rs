//! `curves`: how cost grows with the size of a session, the size of its chunks, the number of sessions
//! that are recorded at once, and the length of the log.
//!
//! One worker on one processor takes what another one generates, except where many sessions are
//! uploaded at once: there the server and the clients share all processors. Rounds go over all places
//! of a curve, so that a neighbour's load falls on all of them alike.

mod at_once;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::{
    chart::{Chart, Curve},
    ingest::memory,
    inputs::{self, ByteCount, Kind},
    machine::{self, Machine},
    node::{Node, Step},
    open, process,
    process::Usage,
    quiet::{Patience, Quiet},
    report::{Report, Table, digits, mebibytes, spread},
    samples::Spread,
};

/// Bytes of a session whose chunks' size is varied, and of all uploads together.
const INPUT: u64 = 256 << 20;

/// The shortest session; each one after that is four times as long.
const SESSION_MIN: u64 = 1 << 20;

/// Sizes of chunks, from the least that is allowed to the most.
const CHUNKS: [u64; 6] = [64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20];

/// Sessions that are uploaded at once.
const AT_ONCE: [u32; 4] = [1, 10, 100, 1000];

/// Entries of the log.
const ENTRIES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Arguments of `curves`.
#[derive(Args)]
pub(crate) struct Curves {
    /// The folder of all that is written: the longest session's size and 3 GiB free
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Bytes of the longest session
    #[arg(long, default_value = "20GiB")]
    most: ByteCount,
    /// Entries of the longest log
    #[arg(long, default_value_t = 1_000_000)]
    entries_most: u64,
    /// Rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Draw the medians into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Axis {
    /// Bytes of a session.
    Session,
    /// Bytes of a chunk.
    Chunk,
    /// Sessions at once.
    AtOnce,
    /// Entries of the log.
    Log,
}

impl Axis {
    const ALL: [Self; 4] = [Self::Session, Self::Chunk, Self::AtOnce, Self::Log];

    fn heading(self) -> &'static str {
        match self {
            Self::Session => {
                "Cost by the size of a session, incompressible, from a pipe, one worker"
            }
            Self::Chunk => "Cost by the size of chunks, 256 MiB, one worker",
            Self::AtOnce => "Cost by sessions uploaded at once, 256 MiB together",
            Self::Log => "Cost by the length of the log",
        }
    }

    /// A place on it, in words.
    fn place(self, place: u64) -> String {
        match self {
            Self::Session | Self::Chunk => ByteCount(place).to_string(),
            Self::AtOnce | Self::Log => place.to_string(),
        }
    }
}

/// One measurement.
#[derive(Serialize)]
pub(crate) struct Point {
    axis: Axis,
    /// Bytes or a number, see [`Axis`].
    place: u64,
    /// What was done.
    work: String,
    /// Plaintext that went through it, where any did.
    plain_bytes: Option<u64>,
    #[serde(flatten)]
    usage: Usage,
}

impl Point {
    /// GB/s of plaintext, or seconds where there is none.
    fn figure(&self) -> f64 {
        match self.plain_bytes {
            Some(bytes) => bytes as f64 / self.usage.wall_s / 1e9,
            None => self.usage.wall_s,
        }
    }
}

impl Curves {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let folder = self.folder.canonicalize()?;
        let machine = Machine::here(&folder)?;
        let program = process::node(node)?;
        let node = Node::new(program.clone(), &folder);
        let processors = machine::processors()?;
        let (quiet, mut points) = (self.patience.begin(), Vec::new());
        for _ in 0..self.runs {
            points.extend(at_once::measure(&program, &folder, INPUT, &AT_ONCE)?);
        }
        for entries in ENTRIES.into_iter().filter(|entries| *entries <= self.entries_most) {
            points.extend(log(&program, &folder, entries, self.runs)?);
        }
        // What generates runs beside the worker, where there is room for both.
        let one = *processors.last().context("no processor")?;
        if let [first, _, ..] = processors[..] {
            machine::pin(&[first])?;
        }
        for _ in 0..self.runs {
            points.extend(self.sessions(&quiet, &node, one)?);
            points.extend(chunks(&quiet, &node, &folder, one)?);
        }
        let mut report = Report::default();
        report.paragraph(&machine);
        report.raw("machine", &machine)?;
        report.raw("points", &points)?;
        for axis in Axis::ALL {
            table(&mut report, axis, &points);
        }
        if let Some(path) = &self.svg {
            chart(&points).write(path)?;
        }
        Ok(report)
    }

    /// The sizes of sessions, up to the longest.
    fn sizes(&self) -> Vec<u64> {
        let mut sizes = Vec::new();
        let mut size = SESSION_MIN;
        while size < self.most.0 {
            sizes.push(size);
            size *= 4;
        }
        sizes.push(self.most.0);
        sizes
    }

    fn sessions(&self, quiet: &Quiet, node: &Node, core: usize) -> Result<Vec<Point>> {
        let one = |size: u64| {
            quiet.measure(|| {
                let stream = memory::stream(node, &[core], ByteCount(size), None)?;
                // The generator is no stranger, but the kernel counts it as one.
                let usage = stream.usage;
                let (axis, work) = (Axis::Session, "ingest".to_owned());
                Ok((Point { axis, place: size, work, plain_bytes: Some(size), usage }, 0.0))
            })
        };
        self.sizes().into_iter().map(one).collect()
    }
}

/// Both kinds of input by every size of chunks.
fn chunks(quiet: &Quiet, node: &Node, folder: &Path, core: usize) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for kind in Kind::ALL {
        let plain = inputs::plain(folder, kind, ByteCount(INPUT))?;
        for place in CHUNKS {
            let node = node.with_chunks(ByteCount(place));
            points.extend(quiet.measure(|| {
                let (ingested, recorded) =
                    node.ingest(plain.path.as_os_str(), &[core], process::Input::None)?;
                ensure!(recorded.plain_bytes == INPUT, "the node did not take the whole input");
                let verified = node.verify(&recorded, &[core])?;
                let restored = node.restore(&recorded, &[core], None)?;
                node.clear()?;
                let steps = Step::ALL.into_iter().zip([ingested, verified, restored]);
                let point = |(step, finished): (Step, process::Finished)| Point {
                    axis: Axis::Chunk,
                    place,
                    work: format!("{}, {}", step.name(), kind.name()),
                    plain_bytes: Some(INPUT),
                    usage: finished.usage,
                };
                let points: Vec<Point> = steps.map(point).collect();
                let others = points.iter().map(|point| point.usage.others).fold(0.0, f64::max);
                Ok((points, others))
            })?);
        }
    }
    Ok(points)
}

/// Opening a folder whose log has so many entries.
fn log(program: &Path, folder: &Path, entries: u64, runs: u32) -> Result<Vec<Point>> {
    let measured = open::measure(program.to_owned(), folder, entries, runs)?;
    let point = |work: &str, usage: &Usage| Point {
        axis: Axis::Log,
        place: entries,
        work: work.to_owned(),
        plain_bytes: None,
        usage: *usage,
    };
    let lists = measured.list.iter().map(|usage| point("open the whole store", usage));
    let heads = measured.head.iter().map(|usage| point("open the log alone", usage));
    Ok(lists.chain(heads).collect())
}

/// The works of an axis and its places, in the order in which they were measured first.
fn kinds<T: PartialEq>(points: &[Point], axis: Axis, kind: impl Fn(&Point) -> T) -> Vec<T> {
    let mut kinds = Vec::new();
    for point in points.iter().filter(|point| point.axis == axis) {
        let kind = kind(point);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn of<'a>(
    points: &'a [Point],
    axis: Axis,
    work: &'a str,
    place: u64,
) -> impl Iterator<Item = &'a Point> {
    let wanted =
        move |point: &&Point| point.axis == axis && point.work == work && point.place == place;
    points.iter().filter(wanted)
}

fn table(report: &mut Report, axis: Axis, points: &[Point]) {
    let unit =
        if axis == Axis::Log { "s, median (min to max)" } else { "GB/s, median (min to max)" };
    let mut table = Table::new(&["", "at", unit, "CPU s", "peak MiB"]);
    for work in kinds(points, axis, |point| point.work.clone()) {
        for place in kinds(points, axis, |point| point.place) {
            let of = || of(points, axis, &work, place);
            let median = |figure: fn(&Point) -> f64| Spread::of(of().map(figure));
            let processor = median(|point| point.usage.processor_s());
            table.row([
                work.clone(),
                axis.place(place),
                spread(median(Point::figure)),
                processor.map_or("-".to_owned(), |spread| digits(spread.median)),
                mebibytes(of().map(|point| point.usage.peak_bytes).max().unwrap_or(0) as f64),
            ]);
        }
    }
    report.table(axis.heading(), &table);
}

fn chart(points: &[Point]) -> Chart {
    let mut chart = Chart::new("How cost grows, medians");
    for axis in Axis::ALL {
        let places = kinds(points, axis, |point| point.place);
        let curves = |figure: fn(&Point) -> f64| -> Vec<Curve> {
            let works = kinds(points, axis, |point| point.work.clone());
            let curve = |work: String| {
                let at = |place: &u64| {
                    let spread = Spread::of(of(points, axis, &work, *place).map(figure))?;
                    Some((*place as f64, spread.median))
                };
                let points = places.iter().filter_map(at).collect();
                Curve { name: work, points }
            };
            works.into_iter().map(curve).collect()
        };
        #[expect(clippy::cast_sign_loss, reason = "places are sizes and numbers")]
        let name = |place: f64| axis.place(place.round() as u64);
        let unit = if axis == Axis::Log { "s" } else { "GB/s" };
        chart.curves(axis.heading(), unit, &curves(Point::figure), name);
        let peak = |point: &Point| point.usage.peak_bytes as f64 / f64::from(1 << 20);
        chart.curves(axis.heading(), "peak MiB", &curves(peak), name);
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_end_with_the_longest() {
        let check = |most: u64, wanted: &[u64]| {
            let (most, patience) = (ByteCount(most), Patience::default());
            let (folder, svg) = (PathBuf::new(), None);
            let curves = Curves { folder, most, entries_most: 0, runs: 1, svg, patience };
            assert_eq!(curves.sizes(), wanted);
        };
        check(1 << 20, &[1 << 20]);
        check(4 << 20, &[1 << 20, 4 << 20]);
        check(5 << 20, &[1 << 20, 4 << 20, 5 << 20]);
    }
}
