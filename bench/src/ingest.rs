//! `ingest`: the real program on real sizes, beside its own components and its peers.
//!
//! A round measures everything once: the components, then for each input and each number of cores
//! the node and the peers. What is compared is therefore never further apart than one round.

pub(crate) mod memory;
mod summary;

use std::{
    fmt, fs,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::{
    inputs::{self, ByteCount, Kind, Plain},
    machine::{self, Machine},
    node::{Node, Step},
    peers::tools::{Tool, Tools},
    process::{self, Usage},
    quiet::{Patience, Quiet, Watch},
    report::{Report, digits},
    roofline::Components,
};

/// Arguments of `ingest`.
#[derive(Args)]
pub(crate) struct Ingest {
    /// The folder of the inputs and of all that is written; best a tmpfs with 3 times the size free
    #[arg(value_name = "DIR", default_value = "/dev/shm/lucid-bench")]
    folder: PathBuf,
    /// Bytes of each input
    #[arg(long, default_value = "2GiB")]
    size: ByteCount,
    /// Rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Also measure the memory of a long stream from a pipe, its data in this folder
    #[arg(long, value_name = "DIR")]
    long: Option<PathBuf>,
    /// Bytes of the long stream
    #[arg(long, default_value = "20GiB", requires = "long")]
    long_size: ByteCount,
    #[command(flatten)]
    patience: Patience,
    /// Leave the peers out
    #[arg(long)]
    no_peers: bool,
}

/// Whose run it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Program {
    /// `lucid-node ingest`
    Ingest,
    /// `lucid-node verify`
    Verify,
    /// `lucid-node restore` to `/dev/null`
    Restore,
    /// `zstd -3 | age`
    ZstdAge,
    /// `borg create`
    Borg,
}

impl Program {
    const ALL: [Self; 5] = [Self::Ingest, Self::Verify, Self::Restore, Self::ZstdAge, Self::Borg];

    fn name(self) -> &'static str {
        match self {
            Self::Ingest => "lucid-node ingest",
            Self::Verify => "lucid-node verify",
            Self::Restore => "lucid-node restore",
            Self::ZstdAge => "zstd -3 to age",
            Self::Borg => "borg create",
        }
    }
}

/// One measured run.
#[derive(Serialize)]
pub(crate) struct Run {
    program: Program,
    input: &'static str,
    cores: usize,
    plain_bytes: u64,
    stored_bytes: u64,
    #[serde(flatten)]
    usage: Usage,
}

impl Run {
    fn new(
        program: Program,
        plain: &Plain,
        cores: &[usize],
        stored_bytes: u64,
        usage: Usage,
    ) -> Self {
        let (input, plain_bytes) = (plain.name, plain.bytes);
        Self { program, input, cores: cores.len(), plain_bytes, stored_bytes, usage }
    }

    /// Plaintext through it, GB/s.
    fn rate(&self) -> f64 {
        self.plain_bytes as f64 / self.usage.wall_s / 1e9
    }

    /// Processor seconds, over all processors, for 1 GB of plaintext.
    fn processor_s(&self) -> f64 {
        (self.usage.user_s + self.usage.system_s) / (self.plain_bytes as f64 / 1e9)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (program, input, cores) = (self.program.name(), self.input, self.cores);
        let [rate, others] = [self.rate(), self.usage.others].map(digits);
        write!(f, "{program}, {input}, {cores} cores: {rate} GB/s, others on {others} cores")
    }
}

impl Ingest {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let machine = Machine::here(&self.folder)?;
        let node = Node::new(process::node(node)?, &self.folder);
        let peers = match self.no_peers {
            true => Tools::none(),
            false => Tools::find(&self.folder, &[Tool::ZstdAge, Tool::Borg])?,
        };
        note(format_args!("inputs: making or checking {} bytes twice", self.size.0))?;
        let plains = self.plains()?;
        let processors = machine::processors()?;
        let one = vec![*processors.last().context("no processor")?];
        let cores: Vec<Vec<usize>> = if processors.len() > 1 {
            vec![one.clone(), processors[..2].to_vec()]
        } else {
            vec![one.clone()]
        };
        machine::pin(&one)?;
        let components = Components::new(&self.folder, &plains, &processors)?;

        let (quiet, mut turns, mut runs) = (self.patience.begin(), Vec::new(), Vec::new());
        for round in 0..=self.runs {
            turns.push(quiet.measure(|| {
                let watch = Watch::begin()?;
                Ok((components.turn()?, watch.others(0.0)?))
            })?);
            for plain in &plains {
                for cores in &cores {
                    let mut seen = measured(&quiet, || {
                        machine::touch_memory(&self.folder, self.size)?;
                        life(&node, plain, cores)
                    })?;
                    let peer = |peer| {
                        measured(&quiet, || {
                            machine::touch_memory(&self.folder, self.size)?;
                            peer_ingest(&peers, peer, plain, cores)
                        })
                    };
                    if round > 0 {
                        seen.extend(
                            peer(Program::ZstdAge)?.into_iter().chain(peer(Program::Borg)?),
                        );
                    }
                    seen.iter().try_for_each(|run| note(format_args!("round {round}: {run}")))?;
                    runs.extend(seen);
                }
            }
            if round == 0 {
                // It only made the host hand out the memory that this machine had not used yet.
                turns.clear();
                runs.clear();
            }
        }
        let memory = memory::measure(&node, &processors, self.long.as_deref(), self.long_size)?;
        let mut report = Report::default();
        report.paragraph(&machine);
        report.raw("machine", &machine)?;
        report.raw("components", &turns)?;
        report.raw("runs", &runs)?;
        report.raw("memory", &memory)?;
        summary::write(
            &mut report,
            &summary::Measured { turns, runs, memory, missing: peers.missing() },
        );
        Ok(report)
    }

    fn plains(&self) -> Result<Vec<Plain>> {
        Kind::ALL.into_iter().map(|kind| inputs::plain(&self.folder, kind, self.size)).collect()
    }
}

/// Ingests, verifies and restores one input on `cores`, with a worker for each.
fn life(node: &Node, plain: &Plain, cores: &[usize]) -> Result<Vec<Run>> {
    let (ingested, recorded) = node.ingest(plain.path.as_os_str(), cores, process::Input::None)?;
    ensure!(recorded.plain_bytes == plain.bytes, "the node did not take the whole input");
    let verified = node.verify(&recorded, cores)?;
    let restored = node.restore(&recorded, cores, None)?;
    node.clear()?;
    let run = |program, finished: &process::Finished| {
        Run::new(program, plain, cores, recorded.stored_bytes, finished.usage)
    };
    Ok(vec![
        run(Program::Ingest, &ingested),
        run(Program::Verify, &verified),
        run(Program::Restore, &restored),
    ])
}

/// Has a peer keep one input, if it is here.
fn peer_ingest(
    peers: &Tools,
    peer: Program,
    plain: &Plain,
    cores: &[usize],
) -> Result<Option<Run>> {
    let tool = if peer == Program::Borg { Tool::Borg } else { Tool::ZstdAge };
    let Some(mut store) = peers.store(tool, &plain.path)? else { return Ok(None) };
    let finished = store.run(Step::Ingest, cores)?;
    let stored_bytes = store.bytes()?;
    store.clear()?;
    Ok(Some(Run::new(peer, plain, cores, stored_bytes, finished.usage)))
}

/// Measures runs that belong together, again where others disturbed one of them.
fn measured<R>(quiet: &Quiet, mut work: impl FnMut() -> Result<R>) -> Result<R>
where
    for<'a> &'a R: IntoIterator<Item = &'a Run>,
{
    quiet.measure(|| {
        let runs = work()?;
        let others = (&runs).into_iter().map(|run| run.usage.others).fold(0.0, f64::max);
        Ok((runs, others))
    })
}

/// Says how far it is.
fn note(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stderr(), "{text}")
}
