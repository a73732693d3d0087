//! Runs of `lucid-node`, each in a data folder of its own.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::{Plain, Program, Run, clear};
use crate::process::{self, Finished, Input, Output};

/// The program and where its data goes.
pub(super) struct Node {
    program: PathBuf,
    data: PathBuf,
}

/// What `ingest --json` prints, as far as it is needed.
#[derive(Deserialize)]
pub(super) struct Recorded {
    session_id: String,
    /// Plaintext that went in.
    pub(super) plain_bytes: u64,
    /// Bytes of the chunk files.
    pub(super) stored_bytes: u64,
}

/// What `verify --json` prints, as far as it is needed.
#[derive(Deserialize)]
struct Verified {
    verified: bool,
    plain_bytes: u64,
}

impl Node {
    /// A node whose data folders are made in `folder`.
    pub(super) fn new(program: PathBuf, folder: &Path) -> Self {
        Self { program, data: folder.join("lucid-data") }
    }

    /// The same program with its data in another folder.
    pub(super) fn in_folder(&self, folder: &Path) -> Self {
        Self::new(self.program.clone(), folder)
    }

    /// Ingests, verifies and restores one input on `cores`, with a worker for each.
    pub(super) fn life(&self, plain: &Plain, cores: &[usize]) -> Result<Vec<Run>> {
        let (ingested, recorded) = self.ingest(plain.path.as_os_str(), cores, Input::None)?;
        ensure!(recorded.plain_bytes == plain.bytes, "the node did not take the whole input");
        let session = OsStr::new(&recorded.session_id);
        let verified =
            self.command(&["verify".as_ref(), session], cores, Input::None, Output::Kept)?;
        let found: Verified = serde_json::from_slice(&verified.stdout)?;
        ensure!(found.verified && found.plain_bytes == plain.bytes, "the session is not verified");
        let restore = ["restore".as_ref(), session];
        let restored = self.command(&restore, cores, Input::None, Output::Dropped)?;
        let usages = [
            (Program::Ingest, ingested.usage),
            (Program::Verify, verified.usage),
            (Program::Restore, restored.usage),
        ];
        clear(&self.data)?;
        let run = |(program, usage)| Run::new(program, plain, cores, recorded.stored_bytes, usage);
        Ok(usages.map(run).into())
    }

    /// Ingests `source` into a new data folder, which stays.
    pub(super) fn ingest(
        &self,
        source: &OsStr,
        cores: &[usize],
        input: Input,
    ) -> Result<(Finished, Recorded)> {
        clear(&self.data)?;
        // Beforehand, so that an ingest is an ingest and says nothing about a new folder.
        let mut init = Command::new(&self.program);
        let made = init.arg("init").arg("--data").arg(&self.data).output()?;
        ensure!(
            made.status.success(),
            "lucid-node init: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let finished = self.command(&["ingest".as_ref(), source], cores, input, Output::Kept)?;
        let recorded = serde_json::from_slice(&finished.stdout)?;
        Ok((finished, recorded))
    }

    /// Removes the data folder.
    pub(super) fn clear(&self) -> Result<()> {
        clear(&self.data)
    }

    fn command(
        &self,
        words: &[&OsStr],
        cores: &[usize],
        input: Input,
        output: Output,
    ) -> Result<Finished> {
        let workers = cores.len().to_string();
        let mut command = vec![self.program.as_os_str()];
        command.extend(words);
        // What is measured is not changed by a configuration that happens to lie about.
        command.extend(["--json", "--progress", "none", "--workers", &workers].map(OsStr::new));
        command.extend(["--chunk-bytes", "8MiB", "--data"].map(OsStr::new));
        command.push(self.data.as_os_str());
        let log_level = [("LUCID_LOG_LEVEL", OsStr::new("error"))];
        process::run(&command, &log_level, cores, input, output)
    }
}
