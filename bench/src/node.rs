//! Runs of `lucid-node`, each session in a data folder of its own.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    inputs::ByteCount,
    process::{self, Finished, Input, Output},
};

/// Bytes of a chunk unless another size is asked for: the node's own default.
const CHUNK_BYTES: ByteCount = ByteCount(8 << 20);

/// The program and where its data goes.
#[derive(Clone)]
pub(crate) struct Node {
    program: PathBuf,
    data: PathBuf,
    chunk_bytes: ByteCount,
    /// What stands before it on the command line, such as valgrind.
    before: Vec<OsString>,
}

/// What is done with a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// `lucid-node ingest`
    Ingest,
    /// `lucid-node verify`
    Verify,
    /// `lucid-node restore`
    Restore,
}

impl Step {
    /// All of them, in the order in which a session goes through them.
    pub(crate) const ALL: [Self; 3] = [Self::Ingest, Self::Verify, Self::Restore];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Verify => "verify",
            Self::Restore => "restore",
        }
    }
}

/// What `ingest --json` prints, as far as it is needed.
#[derive(Deserialize)]
pub(crate) struct Recorded {
    /// The session's id.
    pub(crate) session_id: String,
    /// Plaintext that went in.
    pub(crate) plain_bytes: u64,
    /// Bytes of the chunk files.
    pub(crate) stored_bytes: u64,
}

/// What `verify --json` prints, as far as it is needed.
#[derive(Deserialize)]
struct Verified {
    verified: bool,
    plain_bytes: u64,
}

impl Node {
    /// A node whose data folders are made in `folder`.
    pub(crate) fn new(program: PathBuf, folder: &Path) -> Self {
        let data = folder.join("lucid-data");
        Self { program, data, chunk_bytes: CHUNK_BYTES, before: Vec::new() }
    }

    /// The same program with its data in another folder.
    pub(crate) fn in_folder(&self, folder: &Path) -> Self {
        Self { data: folder.join("lucid-data"), ..self.clone() }
    }

    /// The same with chunks of another size.
    pub(crate) fn with_chunks(&self, chunk_bytes: ByteCount) -> Self {
        Self { chunk_bytes, ..self.clone() }
    }

    /// The same, run by another program.
    pub(crate) fn under(&self, before: Vec<OsString>) -> Self {
        Self { before, ..self.clone() }
    }

    /// Makes a new data folder, so that an ingest is an ingest and says nothing about a new folder.
    pub(crate) fn init(&self) -> Result<()> {
        self.clear()?;
        let made =
            Command::new(&self.program).arg("init").arg("--data").arg(&self.data).output()?;
        let said = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "lucid-node init: {said}");
        Ok(())
    }

    /// Ingests `source` into a new data folder, which stays.
    pub(crate) fn ingest(
        &self,
        source: &OsStr,
        cores: &[usize],
        input: Input,
    ) -> Result<(Finished, Recorded)> {
        self.init()?;
        let finished = self.run(&["ingest".as_ref(), source], cores, input, Output::Kept)?;
        let recorded = serde_json::from_slice(&finished.stdout)?;
        Ok((finished, recorded))
    }

    /// Verifies what was ingested.
    pub(crate) fn verify(&self, recorded: &Recorded, cores: &[usize]) -> Result<Finished> {
        let words = ["verify".as_ref(), recorded.session_id.as_ref()];
        let finished = self.run(&words, cores, Input::None, Output::Kept)?;
        let found: Verified = serde_json::from_slice(&finished.stdout)?;
        let whole = found.verified && found.plain_bytes == recorded.plain_bytes;
        ensure!(whole, "the session is not verified");
        Ok(finished)
    }

    /// Restores what was ingested, to a new file or to `/dev/null`.
    pub(crate) fn restore(
        &self,
        recorded: &Recorded,
        cores: &[usize],
        to: Option<&Path>,
    ) -> Result<Finished> {
        let mut words: Vec<&OsStr> = vec!["restore".as_ref(), recorded.session_id.as_ref()];
        if let Some(path) = to {
            words.extend(["--output".as_ref(), path.as_os_str()]);
        }
        self.run(&words, cores, Input::None, Output::Dropped)
    }

    /// Removes the data folder.
    pub(crate) fn clear(&self) -> Result<()> {
        clear(&self.data)
    }

    /// The whole command line for these words, with a worker for each of `cores` processors.
    pub(crate) fn command(&self, words: &[&OsStr], cores: usize) -> Vec<OsString> {
        let mut command = self.before.clone();
        command.push(self.program.clone().into());
        command.extend(words.iter().map(Into::into));
        // What is measured is not changed by a configuration that happens to lie about.
        command.extend(["--json", "--progress", "none", "--workers"].map(Into::into));
        command.extend([cores.to_string().into(), "--chunk-bytes".into()]);
        command.extend([self.chunk_bytes.0.to_string().into(), "--data".into()]);
        command.push(self.data.clone().into());
        command
    }

    fn run(
        &self,
        words: &[&OsStr],
        cores: &[usize],
        input: Input,
        output: Output,
    ) -> Result<Finished> {
        let command = self.command(words, cores.len());
        process::run(&command, &[("LUCID_LOG_LEVEL", "error".as_ref())], cores, input, output)
    }
}

/// Removes a folder that may not be there.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("cannot remove {}", folder.display())),
    }
}
