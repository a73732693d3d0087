//! `peers`: the node beside what people would use instead, on the same inputs, the same disk and the same
//! processors, in one run.
//!
//! A round has every program keep, verify and restore every input on one core and on two, one program
//! after the other; what is compared is never further apart than one round. Every restored file is
//! compared with its input in the first round. Inputs are in the page cache, and a program that is
//! missing is named; nothing is installed.

mod summary;
pub(crate) mod tools;

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use self::tools::{Tool, Tools};
use crate::{
    inputs::{self, ByteCount, Kind, Plain},
    machine::{self, Machine},
    node::{Node, Step},
    process::{self, Usage},
    quiet::{Patience, Quiet, Watch},
    report::{Report, digits},
    roofline::Components,
};

/// The recording of a terminal is this share of the other inputs: at 2 GiB, half a gigabyte of text.
const CAST_SHARE: u64 = 4;

/// Arguments of `peers`.
#[derive(Args)]
pub(crate) struct Peers {
    /// The folder of the inputs and of all that is written: 5 times the size free
    #[arg(value_name = "DIR", default_value = "/dev/shm/lucid-bench-peers")]
    folder: PathBuf,
    /// Bytes of the incompressible input and of the real files; the asciicast is a quarter of it
    #[arg(long, default_value = "2GiB")]
    size: ByteCount,
    /// What the real files are: a tar of this folder, cut or repeated
    #[arg(long, value_name = "DIR", default_value = "/usr")]
    files: PathBuf,
    /// Rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Draw the medians into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

/// One measured run.
#[derive(Serialize)]
pub(crate) struct Run {
    tool: Tool,
    step: Step,
    input: &'static str,
    cores: usize,
    plain_bytes: u64,
    stored_bytes: u64,
    #[serde(flatten)]
    usage: Usage,
}

impl Run {
    /// Plaintext through it, GB/s.
    fn rate(&self) -> f64 {
        self.plain_bytes as f64 / self.usage.wall_s / 1e9
    }

    /// Stored bytes by plaintext.
    fn stored(&self) -> f64 {
        self.stored_bytes as f64 / self.plain_bytes as f64
    }

    /// Processor seconds for 1 GB of plaintext.
    fn processor_s(&self) -> f64 {
        self.usage.processor_s() / (self.plain_bytes as f64 / 1e9)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tool, step, input, cores) =
            (self.tool.name(), self.step.name(), self.input, self.cores);
        let [rate, others] = [self.rate(), self.usage.others].map(digits);
        write!(f, "{tool} {step}, {input}, {cores} cores: {rate} GB/s, others on {others} cores")
    }
}

/// What every run needs.
struct Bench {
    folder: PathBuf,
    node: Node,
    tools: Tools,
    in_memory: bool,
}

impl Peers {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let folder = self.folder.canonicalize()?;
        let machine = Machine::here(&folder)?;
        let node = Node::new(process::node(node)?, &folder);
        let tools = Tools::find(&folder, &Tool::PEERS)?;
        note("inputs: making or checking them")?;
        let plains = self.plains(&folder)?;
        let processors = machine::processors()?;
        let one = vec![*processors.last().context("no processor")?];
        let mut cores = vec![one.clone()];
        if processors.len() > 1 {
            cores.push(processors[..2].to_vec());
        }
        machine::pin(&one)?;
        let components = Components::new(&folder, &plains, &processors)?;
        let bench = Bench { folder, node, tools, in_memory: machine.is_memory() };

        let (quiet, mut turns, mut runs) = (self.patience.begin(), Vec::new(), Vec::new());
        for round in 1..=self.runs {
            turns.push(quiet.measure(|| {
                let watch = Watch::begin()?;
                Ok((components.turn()?, watch.others(0.0)?))
            })?);
            for plain in &plains {
                for cores in &cores {
                    for tool in Tool::ALL {
                        let seen = bench.measured(&quiet, tool, plain, cores, round == 1)?;
                        seen.iter().try_for_each(|run| note(format!("round {round}: {run}")))?;
                        runs.extend(seen);
                    }
                }
            }
        }
        let inputs = plains.iter().map(|plain| plain.name).collect();
        let measured = summary::Measured { turns, runs, inputs, in_memory: bench.in_memory };
        let mut report = Report::default();
        report.paragraph(&machine);
        report.raw("machine", &machine)?;
        report.raw("versions", &bench.tools.versions())?;
        report.raw("missing", &bench.tools.missing())?;
        report.raw("components", &measured.turns)?;
        report.raw("runs", &measured.runs)?;
        summary::write(&mut report, &measured, &bench.tools, &bench.node)?;
        if let Some(path) = &self.svg {
            measured.chart().write(path)?;
        }
        bench.remove()?;
        Ok(report)
    }

    fn plains(&self, folder: &Path) -> Result<Vec<Plain>> {
        let cast = ByteCount((self.size.0 / CAST_SHARE).max(1));
        Ok(vec![
            inputs::plain(folder, Kind::Incompressible, self.size)?,
            inputs::files(folder, &self.files, self.size)?,
            inputs::plain(folder, Kind::Asciicast, cast)?,
        ])
    }
}

impl Bench {
    /// All three steps of one program, again where others disturbed one of them. Empty where it is
    /// not here.
    fn measured(
        &self,
        quiet: &Quiet,
        tool: Tool,
        plain: &Plain,
        cores: &[usize],
        compare: bool,
    ) -> Result<Vec<Run>> {
        let run = || {
            // What the one before left to be written, or to be handed out, is not for the next.
            match self.in_memory {
                true => machine::touch_memory(&self.folder, ByteCount(plain.bytes))?,
                false => rustix::fs::sync(),
            }
            let runs = match tool {
                Tool::Lucid => self.lucid(plain, cores, compare),
                tool => self.peer(tool, plain, cores, compare),
            }
            .with_context(|| format!("{}, {}", tool.name(), plain.name))?;
            let others = runs.iter().map(|run| run.usage.others).fold(0.0, f64::max);
            Ok((runs, others))
        };
        quiet.measure(run)
    }

    fn lucid(&self, plain: &Plain, cores: &[usize], compare: bool) -> Result<Vec<Run>> {
        let input = process::Input::None;
        let (ingested, recorded) = self.node.ingest(plain.path.as_os_str(), cores, input)?;
        ensure!(recorded.plain_bytes == plain.bytes, "the node did not take the whole input");
        let verified = self.node.verify(&recorded, cores)?;
        let out = self.folder.join("restored");
        remove(&out)?;
        let restored = self.node.restore(&recorded, cores, Some(&out))?;
        if compare {
            same(&plain.path, &out)?;
        }
        remove(&out)?;
        self.node.clear()?;
        let steps = Step::ALL.into_iter().zip([ingested, verified, restored]);
        let run = |(step, finished): (_, process::Finished)| Run {
            tool: Tool::Lucid,
            step,
            input: plain.name,
            cores: cores.len(),
            plain_bytes: plain.bytes,
            stored_bytes: recorded.stored_bytes,
            usage: finished.usage,
        };
        Ok(steps.map(run).collect())
    }

    fn peer(&self, tool: Tool, plain: &Plain, cores: &[usize], compare: bool) -> Result<Vec<Run>> {
        let Some(mut store) = self.tools.store(tool, &plain.path)? else { return Ok(Vec::new()) };
        let (mut runs, mut stored_bytes) = (Vec::new(), 0);
        for step in Step::ALL {
            let usage = store.run(step, cores)?.usage;
            if step == Step::Ingest {
                stored_bytes = store.bytes()?;
            }
            let (input, cores, plain_bytes) = (plain.name, cores.len(), plain.bytes);
            runs.push(Run { tool, step, input, cores, plain_bytes, stored_bytes, usage });
        }
        if compare {
            same(&plain.path, &store.restored())?;
        }
        store.clear()?;
        Ok(runs)
    }

    /// Removes all but the inputs.
    fn remove(&self) -> Result<()> {
        for name in ["peers", "roofline", "lucid-data"] {
            crate::node::clear(&self.folder.join(name))?;
        }
        Ok(())
    }
}

/// Whether what was restored is what was kept.
fn same(input: &Path, restored: &Path) -> Result<()> {
    let name = restored.display();
    let file = File::open(restored).with_context(|| format!("{name} was not restored"))?;
    let mut files = [File::open(input)?, file];
    let mut pieces = [vec![0; 1 << 20], vec![0; 1 << 20]];
    loop {
        let mut counts = [0; 2];
        for ((file, piece), count) in files.iter_mut().zip(&mut pieces).zip(&mut counts) {
            while *count < piece.len() {
                match file.read(&mut piece[*count..])? {
                    0 => break,
                    more => *count += more,
                }
            }
        }
        let [one, other] = &pieces;
        ensure!(one[..counts[0]] == other[..counts[1]], "{name} is not what was kept");
        if counts[0] == 0 {
            return Ok(());
        }
    }
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("cannot remove {}", path.display())),
    }
}

/// Says how far it is.
fn note(text: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stderr(), "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_restored_is_compared_to_the_last_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let bytes = vec![7; (1 << 20) + 5];
        fs::write(path("input"), &bytes).unwrap();
        let check = |restored: &[u8], is_same| {
            fs::write(path("restored"), restored).unwrap();
            assert_eq!(same(&path("input"), &path("restored")).is_ok(), is_same);
        };
        check(&bytes, true);
        check(&bytes[1..], false);
        check(&[&bytes[..], &[7]].concat(), false);
        check(&[&bytes[..1 << 20], &[7, 7, 7, 7, 8]].concat(), false);
        assert!(same(&path("input"), &path("missing")).is_err());
    }
}
