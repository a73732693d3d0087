//! `guard`: how many instructions ingest, verify and restore take, beside what they took before.
//!
//! Time is noisy on a machine that others use; the number of instructions is not. So this is what a
//! change is held to: a generated input of 64 MiB, one worker, counted by valgrind's callgrind.
//!
//! What it does not see: valgrind's processor has no SHA instructions and no AVX-512, so the hashing
//! that is counted is the portable kernel's, and nothing here says how fast an instruction is. The
//! report names the code that ran. Keys, salts and ids are new in every run, and the database's
//! threads wait as long as they must, by turning in a circle: hence the small spread that is kept beside each
//! figure. Waiting only ever adds, so what takes too many is counted again, and the least of it counts.

mod counts;
mod kept;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::{
    counts::{Callgrind, Counts},
    kept::{Code, Figures, Kept},
};
use crate::{
    inputs::{self, ByteCount, Kind},
    machine,
    node::{Node, Step, clear},
    process,
    report::{Report, Table},
};

/// Bytes of the input: four chunks that do not shrink and four that do.
const INPUT: ByteCount = ByteCount(64 << 20);

/// How much more instructions are too many: one in twenty.
const MORE_MAX: f64 = 0.05;

/// How often more a step is counted where something takes too many.
const RUNS_AGAIN: u32 = 4;

/// Arguments of `guard`.
#[derive(Args)]
pub(crate) struct Guard {
    /// The folder of the input and of all that is written; 200 MiB [default: the system's temporary folder]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Keep the figures of this build: it is what later ones are compared with
    #[arg(long)]
    keep: bool,
    /// How often each is counted [default: 3 where they are kept; else 1, and 5 where something takes too many]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: Option<u32>,
    /// The file of the kept figures
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json"))]
    figures: PathBuf,
}

impl Guard {
    /// Counts, and compares or keeps. The report fails where something takes too many.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        let valgrind = machine::find_program("valgrind")
            .context("valgrind is not installed: apt-get install valgrind")?;
        let folder = self.folder.clone().unwrap_or_else(env::temp_dir).join("lucid-guard");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let program = process::node(node)?;
        let code = Code::of(&valgrind, &program, &folder)?;
        let node = Node::new(program, &folder);
        let input = inputs::ensure(&folder, Kind::Mixed, INPUT)?;
        let runs = self.runs.unwrap_or(if self.keep { 3 } else { 1 });
        let callgrind = Callgrind::new(valgrind, &folder)?;
        let mut counted = counted(&callgrind, &node, &input, runs)?;
        let mut figures = Figures::of(code, runs, &counted);
        let mut kept = Kept::read(&self.figures)?;
        let exceeds = |before: &Figures| {
            before.code.comparable(&figures.code) && !before.too_many(&figures, MORE_MAX).is_empty()
        };
        let is_again = !self.keep && self.runs.is_none();
        if is_again && kept.figures(env::consts::ARCH).is_some_and(exceeds) {
            counted.extend(self::counted(&callgrind, &node, &input, RUNS_AGAIN)?);
            figures = Figures::least_of(figures.code, runs + RUNS_AGAIN, &counted);
        }
        clear(&folder)?;
        let mut report = Report::default();
        report.raw("instructions", &figures)?;
        report.raw("counted", &counted)?;
        report.paragraph(&figures);
        let before = kept.figures(env::consts::ARCH);
        if self.keep {
            write(&mut report, before, &figures);
            kept.put(env::consts::ARCH, figures);
            kept.write(&self.figures)?;
            report.paragraph(format!("Kept in {}.", self.figures.display()));
            return Ok(report);
        }
        let before = before.with_context(|| {
            let (file, arch) = (self.figures.display(), env::consts::ARCH);
            format!("{file} has no figures for {arch}: keep some with --keep")
        })?;
        if !before.code.comparable(&figures.code) {
            write(&mut report, None, &figures);
            report.paragraph(format!(
                "!!! NOT COMPARED: the kept figures are of other code: {}. Those of this machine can be \
                 kept with --keep.",
                before.code
            ));
            return Ok(report);
        }
        if before.code.toolchain != figures.code.toolchain {
            let kept = &before.code.toolchain;
            report.paragraph(format!("The kept figures are of another compiler: {kept}."));
        }
        write(&mut report, Some(before), &figures);
        for (step, what, more) in before.too_many(&figures, MORE_MAX) {
            let (step, more) = (step.name(), 100.0 * more);
            report.fail(format!(
                "{step} takes {more:.1} % more instructions than before ({what}), {:.0} % is the \
                 most: find out why, or keep the new figures with --keep",
                100.0 * MORE_MAX
            ));
        }
        Ok(report)
    }
}

/// Counts every step `runs` times.
fn counted(
    callgrind: &Callgrind,
    node: &Node,
    input: &Path,
    runs: u32,
) -> Result<Vec<(Step, Counts)>> {
    // One processor: valgrind runs one thread at a time anyway.
    let cores = [*machine::processors()?.last().context("no processor")?];
    let node = node.under(callgrind.words());
    let mut counted = Vec::new();
    for _ in 0..runs {
        let (_, recorded) = node.ingest(input.as_os_str(), &cores, process::Input::None)?;
        ensure!(recorded.plain_bytes == INPUT.0, "the node did not take the whole input");
        counted.push((Step::Ingest, callgrind.counts()?));
        node.verify(&recorded, &cores)?;
        counted.push((Step::Verify, callgrind.counts()?));
        node.restore(&recorded, &cores, None)?;
        counted.push((Step::Restore, callgrind.counts()?));
    }
    Ok(counted)
}

/// The table, with the change where there is something to compare with.
fn write(report: &mut Report, before: Option<&Figures>, now: &Figures) {
    let headings = ["", "instructions", "for a byte", "spread", "before", "change"];
    let mut table = Table::new(&headings);
    for step in Step::ALL {
        let (counts, spread) = (now.counts(step), now.spread(step));
        let old = before.map(|before| before.counts(step).rows());
        for (place, (name, count)) in counts.rows().into_iter().enumerate() {
            let old = old.as_ref().map(|old| old[place].1);
            let change = match old {
                Some(old) if old > 0 => format!("{:+.2} %", 100.0 * kept::more(old, count)),
                _ => "-".to_owned(),
            };
            table.row([
                format!("{}: {name}", step.name()),
                millions(count),
                format!("{:.2}", count as f64 / INPUT.0 as f64),
                if place == 0 { format!("{:.2} %", 100.0 * spread) } else { String::new() },
                old.map_or("-".to_owned(), millions),
                change,
            ]);
        }
    }
    report.table("Instructions, 64 MiB of which half shrinks, one worker", &table);
}

fn millions(count: u64) -> String {
    format!("{:.2} M", count as f64 / 1e6)
}
