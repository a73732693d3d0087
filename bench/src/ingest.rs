//! `ingest`: the real program on real sizes, beside its own components and its peers.
//!
//! A round measures everything once: the components, then for each input and each number of cores
//! the node and the peers. What is compared is therefore never further apart than one round.

mod memory;
mod node;
mod peers;
mod roofline;
mod summary;

use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use self::{node::Node, peers::Peers, roofline::Components};
use crate::{
    inputs::{self, ByteCount, Kind},
    machine::{self, Machine},
    process::{self, Usage},
    quiet::{Patience, Quiet, Watch},
    report::{Report, digits},
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
    input: Kind,
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
        let (input, plain_bytes) = (plain.kind, plain.bytes);
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
        let (program, input, cores) = (self.program.name(), self.input.name(), self.cores);
        let [rate, others] = [self.rate(), self.usage.others].map(digits);
        write!(f, "{program}, {input}, {cores} cores: {rate} GB/s, others on {others} cores")
    }
}

/// An input on the disk.
struct Plain {
    kind: Kind,
    path: PathBuf,
    bytes: u64,
}

impl Ingest {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let machine = Machine::here(&self.folder)?;
        let node = Node::new(process::node(node)?, &self.folder);
        let peers = if self.no_peers { Peers::none() } else { Peers::find(&self.folder)? };
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
                        self.touch_memory()?;
                        node.life(plain, cores)
                    })?;
                    let peer = |peer| {
                        measured(&quiet, || {
                            self.touch_memory()?;
                            peers.run(peer, plain, cores)
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

    /// Writes a file as large as an input, and removes it.
    ///
    /// The host of a virtual machine takes back memory that stays free for some seconds, and hands it
    /// out again page by page when it is touched. On a tmpfs, whoever wrote first after a slow peer
    /// would pay for that: 2.2 seconds of a processor for a gigabyte where it is 1.0 otherwise. So
    /// every program gets the same: memory that is there.
    fn touch_memory(&self) -> Result<()> {
        let path = self.folder.join("touched");
        let piece = vec![1; 1 << 20];
        let mut file = fs::File::create(&path)?;
        let mut rest = self.size.0;
        while rest > 0 {
            let count = rest.min(piece.len() as u64);
            file.write_all(&piece[..usize::try_from(count)?])?;
            rest -= count;
        }
        drop(file);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    fn plains(&self) -> Result<Vec<Plain>> {
        let plain = |kind| {
            let path = inputs::ensure(&self.folder, kind, self.size)?;
            Ok(Plain { kind, path, bytes: self.size.0 })
        };
        Kind::ALL.into_iter().map(plain).collect()
    }
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

/// Removes a folder that may not be there.
fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
