//! The tables of `ingest`, and its figures beside what they should be.

use super::{Program, Run, memory::Stream};
use crate::{
    inputs::{ByteCount, Kind},
    machine::Machine,
    report::{Report, Table, digits, mebibytes, spread},
    roofline::{Pair, Turn},
    samples::Spread,
};

/// What a benchmark measured.
pub(super) struct Measured {
    /// The components, round by round.
    pub(super) turns: Vec<Turn>,
    /// All programs' runs.
    pub(super) runs: Vec<Run>,
    /// Peak memory.
    pub(super) memory: Vec<Stream>,
    /// Peers that are not here.
    pub(super) missing: Vec<String>,
}

impl Measured {
    fn runs(&self, program: Program, input: Kind, cores: usize) -> impl Iterator<Item = &Run> {
        let wanted = (program, input.name(), cores);
        self.runs.iter().filter(move |run| (run.program, run.input, run.cores) == wanted)
    }

    fn rates(&self, program: Program, input: Kind, cores: usize) -> Option<Spread> {
        Spread::of(self.runs(program, input, cores).map(Run::rate))
    }

    fn rate(&self, program: Program, input: Kind, cores: usize) -> Option<f64> {
        Some(self.rates(program, input, cores)?.median)
    }

    fn component(&self, figure: impl Fn(&Turn) -> f64) -> Option<Spread> {
        Spread::of(self.turns.iter().map(figure))
    }

    /// The median of how many times as fast `program` is as `peer`.
    fn times(&self, input: Kind, cores: usize, peer: Program) -> Option<f64> {
        Some(self.rate(Program::Ingest, input, cores)? / self.rate(peer, input, cores)?)
    }
}

/// Writes everything.
pub(super) fn write(report: &mut Report, measured: &Measured) {
    let others = Spread::of(measured.runs.iter().map(|run| run.usage.others));
    report.paragraph(format!("Cores that others kept busy during the runs: {}.", spread(others)));
    programs(report, measured);
    for missing in &measured.missing {
        report.paragraph(format!("Not compared: {missing}."));
    }
    components(report, measured);
    rooflines(report, measured);
    memory(report, measured);
    targets(report, measured);
}

fn programs(report: &mut Report, measured: &Measured) {
    for input in Kind::ALL {
        let headings =
            ["", "cores", "GB/s, median (min to max)", "CPU s for 1 GB", "peak MiB", "stored"];
        let mut table = Table::new(&headings);
        for program in Program::ALL {
            for cores in [1, 2] {
                let runs = || measured.runs(program, input, cores);
                let Some(rates) = measured.rates(program, input, cores) else { continue };
                let median = |figure: fn(&Run) -> f64| Spread::of(runs().map(figure));
                let processor = median(Run::processor_s).map(|spread| spread.median);
                let peak = runs().map(|run| run.usage.peak_bytes).max().unwrap_or(0);
                let stored = median(|run| run.stored_bytes as f64 / run.plain_bytes as f64);
                table.row([
                    program.name().to_owned(),
                    cores.to_string(),
                    spread(Some(rates)),
                    digits(processor.unwrap_or(0.0)),
                    mebibytes(peak as f64),
                    format!("{:.1} %", 100.0 * stored.map_or(0.0, |stored| stored.median)),
                ]);
            }
        }
        report.table(&format!("The programs, {} input", input.name()), &table);
    }
}

fn components(report: &mut Report, measured: &Measured) {
    let mut table = Table::new(&["one core, alone", "GB/s, median (min to max)"]);
    let mut row = |name: &str, figure: &dyn Fn(&Turn) -> f64| {
        table.row([name.to_owned(), spread(measured.component(figure))]);
    };
    row("read into a chunk's buffer", &|turn| turn.read);
    row("read into a window", &|turn| turn.read_window);
    row("seal (AEAD) from a chunk's buffer", &|turn| turn.seal);
    row("seal (AEAD) from a window", &|turn| turn.seal_window);
    row("hash (leaves and root)", &|turn| turn.hash);
    row("write new files", &|turn| turn.write);
    row("zstd's probe, incompressible", &|turn| turn.codecs[0].rate);
    row("zstd level 3, compressible", &|turn| turn.codecs[1].rate);
    for (name, figure) in [
        ("seal", (|pair: &Pair| pair.seal) as fn(&Pair) -> f64),
        ("hash", |pair| pair.hash),
        ("write new files", |pair| pair.write),
    ] {
        let figures = measured.turns.iter().filter_map(|turn| turn.pair.as_ref()).map(figure);
        let name = format!("two cores at once by one: {name}");
        table.row([name, format!("times {}", spread(Spread::of(figures)))]);
    }
    report.table("The components in the same rounds", &table);
}

fn rooflines(report: &mut Report, measured: &Measured) {
    let headings = ["", "input", "cores", "roofline GB/s", "reached GB/s", "fraction"];
    let mut table = Table::new(&headings);
    for program in [Program::Ingest, Program::Verify] {
        for input in Kind::ALL {
            for cores in [1, 2] {
                let bound = measured.component(|turn| match program {
                    Program::Verify => turn.verify(input.name()),
                    _ => turn.ingest(input.name()),
                });
                let bound = bound.map(|spread| spread.median * cores as f64);
                let reached = measured.rate(program, input, cores);
                let (Some(bound), Some(reached)) = (bound, reached) else { continue };
                table.row([
                    program.name().to_owned(),
                    input.name().to_owned(),
                    cores.to_string(),
                    digits(bound),
                    digits(reached),
                    format!("{:.0} %", 100.0 * reached / bound),
                ]);
            }
        }
    }
    report.table("The roofline (sum of the components' times)", &table);
}

fn memory(report: &mut Report, measured: &Measured) {
    let mut table = Table::new(&["stream from a pipe, two workers", "peak MiB", "GB/s", "disk"]);
    for Stream { plain_bytes, usage, machine } in &measured.memory {
        table.row([
            ByteCount(*plain_bytes).to_string(),
            mebibytes(usage.peak_bytes as f64),
            digits(*plain_bytes as f64 / usage.wall_s / 1e9),
            machine.as_ref().map_or("as above".to_owned(), Machine::disk),
        ]);
    }
    report.table("Memory", &table);
}

fn targets(report: &mut Report, measured: &Measured) {
    use Kind::{Compressible, Incompressible};
    use Program::{Borg, Ingest, Verify, ZstdAge};
    let mut table = Table::new(&["target", "wanted", "measured", "met"]);
    let mut at_least = |name: String, wanted: f64, found: Option<f64>| {
        let met = match found {
            None => "not measured",
            Some(found) if found >= wanted => "yes",
            Some(_) => "**no**",
        };
        let found = found.map_or("-".to_owned(), digits);
        table.row([name, format!("at least {wanted}"), found, met.to_owned()]);
    };
    let one = measured.rate(Ingest, Incompressible, 1);
    at_least("ingest, incompressible, one core, GB/s".to_owned(), 1.0, one);
    for (other, input, cores, wanted) in [
        (Borg, Incompressible, 1, 3.0),
        (ZstdAge, Incompressible, 1, 2.5),
        (ZstdAge, Incompressible, 2, 3.0),
        (ZstdAge, Compressible, 1, 1.4),
        (ZstdAge, Compressible, 2, 2.0),
    ] {
        let cores_named = if cores == 1 { "one core" } else { "two cores" };
        let name = format!("ingest by {}, {}, {cores_named}", other.name(), input.name());
        at_least(name, wanted, measured.times(input, cores, other));
    }
    for input in [Incompressible, Compressible] {
        let rates = [2, 1].map(|cores| measured.rate(Ingest, input, cores));
        let times = rates[0].zip(rates[1]).map(|(two, one)| two / one);
        at_least(format!("ingest, two workers by one, {}", input.name()), 1.8, times);
    }
    let verify = measured.rate(Verify, Incompressible, 1);
    at_least("verify, incompressible, one core, GB/s".to_owned(), 2.5, verify);
    for Stream { plain_bytes, usage, .. } in &measured.memory {
        let peak = usage.peak_bytes as f64 / f64::from(1 << 20);
        table.row([
            format!("peak memory, two workers, {} from a pipe, MiB", ByteCount(*plain_bytes)),
            "below 100".to_owned(),
            digits(peak),
            if peak < 100.0 { "yes" } else { "**no**" }.to_owned(),
        ]);
    }
    report.table("Targets", &table);
}
