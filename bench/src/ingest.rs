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
    fs,
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
    report::Report,
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
            Self::ZstdAge => "zstd -3 \\| age",
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
    /// Plaintext through it, GB/s.
    fn rate(&self) -> f64 {
        self.plain_bytes as f64 / self.usage.wall_s / 1e9
    }

    /// Processor seconds, over all processors, for 1 GB of plaintext.
    fn processor_s(&self) -> f64 {
        (self.usage.user_s + self.usage.system_s) / (self.plain_bytes as f64 / 1e9)
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
        let components = Components::new(&self.folder, &plains)?;

        let (mut turns, mut runs) = (Vec::new(), Vec::new());
        for round in 0..=self.runs {
            let mut seen = Vec::new();
            let turn = components.turn()?;
            for plain in &plains {
                for cores in &cores {
                    node.life(plain, cores, &mut seen)?;
                    // The first round only fills memory that this machine had not handed out yet.
                    if round > 0 {
                        peers.all(plain, cores, &mut seen)?;
                    }
                }
            }
            for run in &seen {
                let (kind, cores) = (run.input.name(), run.cores);
                let name = run.program.name();
                note(format_args!("round {round}: {name} {kind} {cores}: {:.3} GB/s", run.rate()))?;
            }
            if round > 0 {
                runs.extend(seen);
                turns.push(turn);
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
        let plain = |kind| {
            let path = inputs::ensure(&self.folder, kind, self.size)?;
            Ok(Plain { kind, path, bytes: self.size.0 })
        };
        Kind::ALL.into_iter().map(plain).collect()
    }
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
