//! The tables and the chart of `peers`, and its figures beside what they should be.

use std::{collections::BTreeMap, ffi::OsStr};

use anyhow::Result;

use super::{
    Run,
    tools::{Tool, Tools},
};
use crate::{
    chart::{Bar, Chart},
    inputs::Kind,
    node::{Node, Step},
    process::shown,
    report::{Report, Table, digits, mebibytes, spread},
    roofline::Turn,
    samples::Spread,
};

/// What a run measured.
pub(super) struct Measured {
    /// The components, round by round.
    pub(super) turns: Vec<Turn>,
    /// All programs' runs.
    pub(super) runs: Vec<Run>,
    /// The inputs' names.
    pub(super) inputs: Vec<&'static str>,
    /// Whether the folder is on a tmpfs.
    pub(super) in_memory: bool,
}

impl Measured {
    fn runs(
        &self,
        tool: Tool,
        step: Step,
        input: &str,
        cores: usize,
    ) -> impl Iterator<Item = &Run> {
        let wanted = (tool, step, input, cores);
        self.runs.iter().filter(move |run| (run.tool, run.step, run.input, run.cores) == wanted)
    }

    fn rate(&self, tool: Tool, step: Step, input: &str, cores: usize) -> Option<f64> {
        median(self.runs(tool, step, input, cores).map(Run::rate))
    }

    fn stored(&self, tool: Tool, input: &str) -> Option<f64> {
        median(self.runs(tool, Step::Ingest, input, 1).map(Run::stored))
    }

    /// How many times as fast as `peer` the node is, medians.
    fn times(&self, peer: Tool, step: Step, input: &str, cores: usize) -> Option<f64> {
        let node = self.rate(Tool::Lucid, step, input, cores)?;
        Some(node / self.rate(peer, step, input, cores)?)
    }

    /// The share of the roofline that a step reaches.
    fn fraction(&self, step: Step, input: &'static str, cores: usize) -> Option<(f64, f64, f64)> {
        let bound = median(self.turns.iter().map(|turn| match step {
            Step::Ingest => turn.ingest(input),
            Step::Verify => turn.verify(input),
            Step::Restore => turn.restore(input),
        }))? * cores as f64;
        let reached = self.rate(Tool::Lucid, step, input, cores)?;
        Some((bound, reached, reached / bound))
    }

    /// The most memory that a program took in any step, on any input.
    fn peak(&self, tool: Tool) -> Option<u64> {
        let runs = self.runs.iter().filter(|run| run.tool == tool);
        runs.map(|run| run.usage.peak_bytes).max()
    }

    /// The medians, a panel for each input and step.
    pub(super) fn chart(&self) -> Chart {
        let mut chart = Chart::new("GB/s of plaintext, median; longer is faster");
        for &input in &self.inputs {
            for step in Step::ALL {
                let mut bars = Vec::new();
                for (kind, tool) in Tool::ALL.into_iter().enumerate() {
                    for cores in [1, 2] {
                        let Some(value) = self.rate(tool, step, input, cores) else { continue };
                        let plural = if cores == 1 { "" } else { "s" };
                        let name = format!("{}, {cores} core{plural}", tool.name());
                        bars.push(Bar { name, value, shown: digits(value), kind });
                    }
                }
                chart.bars(&format!("{}, {input}", step.name()), &bars);
            }
        }
        chart
    }
}

fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    Spread::of(figures).map(|spread| spread.median)
}

/// Writes everything.
pub(super) fn write(
    report: &mut Report,
    measured: &Measured,
    tools: &Tools,
    node: &Node,
) -> Result<()> {
    let others = Spread::of(measured.runs.iter().map(|run| run.usage.others));
    report.paragraph(format!("Cores that others kept busy during the runs: {}.", spread(others)));
    for missing in tools.missing() {
        report.paragraph(format!("Not compared: {missing}."));
    }
    for &input in &measured.inputs {
        programs(report, measured, input);
    }
    components(report, measured);
    rooflines(report, measured);
    targets(report, measured);
    commands(report, tools, node)
}

fn programs(report: &mut Report, measured: &Measured, input: &'static str) {
    let headings = [
        "",
        "cores",
        "GB/s, median (min to max)",
        "the node is times as fast",
        "s, median",
        "CPU s for 1 GB",
        "peak MiB",
        "stored",
    ];
    let mut table = Table::new(&headings);
    for step in Step::ALL {
        for tool in Tool::ALL {
            for cores in [1, 2] {
                let runs = || measured.runs(tool, step, input, cores);
                let Some(rates) = Spread::of(runs().map(Run::rate)) else { continue };
                let middle = |figure: fn(&Run) -> f64| {
                    median(runs().map(figure)).map_or("-".to_owned(), digits)
                };
                let times = measured.times(tool, step, input, cores).map_or("-".to_owned(), digits);
                let peak = runs().map(|run| run.usage.peak_bytes).max().unwrap_or(0);
                let stored = median(runs().map(Run::stored)).unwrap_or(0.0);
                table.row([
                    format!("{}: {}", step.name(), tool.name()),
                    cores.to_string(),
                    spread(Some(rates)),
                    if tool == Tool::Lucid { String::new() } else { times },
                    middle(|run| run.usage.wall_s),
                    middle(Run::processor_s),
                    mebibytes(peak as f64),
                    format!("{:.2} %", 100.0 * stored),
                ]);
            }
        }
    }
    report.table(&format!("The programs, {input}"), &table);
}

fn components(report: &mut Report, measured: &Measured) {
    let mut table = Table::new(&["one core, alone", "GB/s, median (min to max)"]);
    let mut row = |name: String, figure: &dyn Fn(&Turn) -> f64| {
        table.row([name, spread(Spread::of(measured.turns.iter().map(figure)))]);
    };
    row("copy from a chunk's buffer to another".into(), &|turn| turn.copy);
    row("read into a chunk's buffer".into(), &|turn| turn.read);
    row("read into a window".into(), &|turn| turn.read_window);
    row("seal (AEAD)".into(), &|turn| turn.seal);
    row("open (AEAD)".into(), &|turn| turn.open);
    row("hash in lanes (leaves and root)".into(), &|turn| turn.hash);
    row("hash by the sha2 crate, one by one".into(), &|turn| turn.hash_sha2);
    row("write new files".into(), &|turn| turn.write);
    for (place, input) in measured.inputs.iter().enumerate() {
        row(format!("zstd with its probe, {input}"), &|turn| turn.codecs[place].rate);
    }
    report.table("The components in the same rounds", &table);
}

fn rooflines(report: &mut Report, measured: &Measured) {
    let headings = ["", "input", "cores", "roofline GB/s", "reached GB/s", "fraction"];
    let mut table = Table::new(&headings);
    for step in Step::ALL {
        for &input in &measured.inputs {
            for cores in [1, 2] {
                let Some((bound, reached, fraction)) = measured.fraction(step, input, cores) else {
                    continue;
                };
                table.row([
                    step.name().to_owned(),
                    input.to_owned(),
                    cores.to_string(),
                    digits(bound),
                    digits(reached),
                    format!("{:.0} %", 100.0 * fraction),
                ]);
            }
        }
    }
    report.table("The roofline (sum of the components' times)", &table);
}

/// What is wanted of one figure.
#[derive(Clone, Copy)]
enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

impl Wanted {
    fn row(self, table: &mut Table, name: String, found: Option<f64>) {
        let (wanted, met): (_, fn(f64, f64) -> bool) = match self {
            Self::AtLeast(_) => ("at least", |found, wanted| found >= wanted),
            Self::AtMost(_) => ("at most", |found, wanted| found <= wanted),
            Self::Below(_) => ("below", |found, wanted| found < wanted),
        };
        let (Self::AtLeast(bound) | Self::AtMost(bound) | Self::Below(bound)) = self;
        let said = match found {
            None => "not measured",
            Some(found) if met(found, bound) => "yes",
            Some(_) => "**no**",
        };
        let found = found.map_or("-".to_owned(), digits);
        table.row([name, format!("{wanted} {}", digits(bound)), found, said.to_owned()]);
    }
}

fn targets(report: &mut Report, measured: &Measured) {
    use Wanted::{AtLeast, AtMost, Below};
    let mut table = Table::new(&["target", "wanted", "measured", "met"]);
    let table = &mut table;
    let noise = Kind::Incompressible.name();
    let ingest = |peer, input, cores| measured.times(peer, Step::Ingest, input, cores);
    let name = |peer: &str, input: &str, cores: usize| {
        format!("ingest by {peer}, {input}, {cores} core{}", if cores == 1 { "" } else { "s" })
    };
    AtLeast(3.0).row(table, name("borg", noise, 1), ingest(Tool::Borg, noise, 1));
    for (cores, wanted) in [(1, 2.5), (2, 3.0)] {
        let times = ingest(Tool::ZstdAge, noise, cores);
        AtLeast(wanted).row(table, name("zstd to age", noise, cores), times);
    }
    for input in measured.inputs.iter().copied().filter(|input| *input != noise) {
        for (cores, wanted) in [(1, 1.4), (2, 2.0)] {
            let times = ingest(Tool::ZstdAge, input, cores);
            AtLeast(wanted).row(table, name("zstd to age", input, cores), times);
        }
        let stored = |tool| measured.stored(tool, input);
        let stored = stored(Tool::Lucid).zip(stored(Tool::ZstdAge)).map(|(node, age)| node / age);
        AtMost(1.02).row(table, format!("stored by zstd -3 to age's, {input}"), stored);
    }
    for &input in &measured.inputs {
        let fraction = measured.fraction(Step::Ingest, input, 1).filter(|_| measured.in_memory);
        let fraction = fraction.map(|(.., fraction)| fraction);
        AtLeast(0.87).row(table, format!("ingest by its roofline on tmpfs, {input}"), fraction);
    }
    for &input in &measured.inputs {
        for (step, wanted) in [(Step::Verify, 5.0), (Step::Restore, 3.0)] {
            let times = measured.times(Tool::Restic, step, input, 1);
            let step = step.name();
            AtLeast(wanted).row(table, format!("{step} by restic, {input}, 1 core"), times);
        }
    }
    let lanes = median(measured.turns.iter().map(|turn| turn.hash / turn.hash_sha2));
    AtLeast(1.95).row(table, "hashing in lanes by the sha2 crate".to_owned(), lanes);
    let node = measured.peak(Tool::Lucid).map(|bytes| bytes as f64 / f64::from(1 << 20));
    for tool in [Tool::Restic, Tool::Borg, Tool::Openssl] {
        let Some(peak) = measured.peak(tool) else { continue };
        let wanted = Below(peak as f64 / f64::from(1 << 20));
        wanted.row(table, format!("peak memory of all steps, MiB, {}", tool.name()), node);
    }
    report.table("Targets (ratios of medians)", table);
}

fn commands(report: &mut Report, tools: &Tools, node: &Node) -> Result<()> {
    let mut table = Table::new(&["", "command line, as it was run"]);
    let mut lines = BTreeMap::new();
    let mut row = |tool: Tool, step: &str, line: String| {
        // A bar within a cell would end it.
        table.row([format!("{} {step}", tool.name()), format!("`{}`", line.replace('|', "\\|"))]);
        lines.insert(format!("{} {step}", tool.name()), line);
    };
    let node_words: [&[&str]; 3] = [
        &["ingest", "{input}"],
        &["verify", "{session}"],
        &["restore", "{session}", "--output", "{out}/restored"],
    ];
    for (step, words) in Step::ALL.into_iter().zip(node_words) {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        row(Tool::Lucid, step.name(), shown(&node.command(&words, 1)));
    }
    for tool in tools.found() {
        let Some(found) = tool.lines() else { continue };
        if let Some(line) = found.setup {
            row(*tool, "before that", line.to_owned());
        }
        for step in Step::ALL {
            row(*tool, step.name(), found.step(step).to_owned());
        }
    }
    report.paragraph(format!("Versions: {}.", tools.versions().join("; ")));
    report.table("Command lines", &table);
    report.raw("commands", &lines)
}
