//! Peak memory with two workers: of a session that is smaller than a chunk, and of one that is
//! larger than any machine's memory should have to be.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{node::Node, note};
use crate::{
    inputs::{ByteCount, Kind},
    machine::Machine,
    process::{Input, Usage},
};

/// A session from a pipe.
#[derive(Serialize)]
pub(super) struct Stream {
    /// Plaintext bytes.
    pub(super) plain_bytes: u64,
    /// What it used.
    #[serde(flatten)]
    pub(super) usage: Usage,
    /// The disk its data went to.
    pub(super) machine: Option<Machine>,
}

/// Measures the short session, and the long one where there is a folder for it.
pub(super) fn measure(
    node: &Node,
    processors: &[usize],
    long: Option<&Path>,
    long_size: ByteCount,
) -> Result<Vec<Stream>> {
    let cores = &processors[..processors.len().min(2)];
    let mut streams = vec![stream(node, cores, ByteCount(64 << 10), None)?];
    if let Some(folder) = long {
        std::fs::create_dir_all(folder)?;
        note(format_args!("a stream of {} bytes into {}", long_size.0, folder.display()))?;
        let machine = Machine::here(folder)?;
        streams.push(stream(&node.in_folder(folder), cores, long_size, Some(machine))?);
    }
    Ok(streams)
}

fn stream(
    node: &Node,
    cores: &[usize],
    size: ByteCount,
    machine: Option<Machine>,
) -> Result<Stream> {
    let mut generator = Command::new(std::env::current_exe()?)
        .args(["generate", Kind::Incompressible.name(), &size.0.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let pipe = generator.stdout.take().expect("it was asked for");
    let ingested = node.ingest(OsStr::new("-"), cores, Input::From(pipe.into()));
    let generated = generator.wait()?;
    let (finished, recorded) = ingested?;
    ensure!(generated.success() && recorded.plain_bytes == size.0, "the stream was cut");
    node.clear()?;
    Ok(Stream { plain_bytes: size.0, usage: finished.usage, machine })
}
