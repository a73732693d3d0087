//! What these tests share: the real binary, run in a folder of its own, and what it said.
//!
//! Every run has a clean environment, so that no `LUCID_*` variable of whoever runs the tests
//! reaches it. A run that panicked fails its test whatever the test looks at.

#![allow(dead_code, unused_imports, reason = "each test crate uses its part of this")]

mod live;
mod random;

use std::{
    fs,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::{
    live::Live,
    random::{Rng, mixed},
};

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_lucid-node");

/// A folder in memory where there is one: most tests have nothing to ask of a disk.
const MEMORY: &str = "/dev/shm";

/// Debian's libfaketime, which gives a process another clock.
pub(crate) fn faketime() -> PathBuf {
    let found = fs::read_dir("/usr/lib").unwrap().find_map(|folder| {
        let path = folder.unwrap().path().join("faketime/libfaketimeMT.so.1");
        path.is_file().then_some(path)
    });
    found.expect("libfaketime is here: apt-get install faketime")
}

/// A folder for one test, and the data folder `data` in it.
pub(crate) struct Node {
    base: TempDir,
}

impl Node {
    /// In memory, where that can be had.
    pub(crate) fn new() -> Self {
        match tempfile::tempdir_in(MEMORY) {
            Ok(base) => Self { base },
            Err(_) => Self::on_disk(),
        }
    }

    /// Where the system keeps temporary files, which is a disk on most machines.
    pub(crate) fn on_disk() -> Self {
        Self { base: tempfile::tempdir().unwrap() }
    }

    /// One that a copy of `other`'s folder makes.
    pub(crate) fn copy_of(other: &Path) -> Self {
        let node = Self::new();
        copy_folder(other, &node.data());
        node
    }

    /// A name in the test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes a file into the test's folder and gives its path, as text for a command line.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        text_of(&path)
    }

    /// A name in the test's folder as text for a command line.
    pub(crate) fn name(&self, name: &str) -> String {
        text_of(&self.path(name))
    }

    /// The binary with `words`, which are split at spaces, and this node's data folder.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = bare_command(self.base.path(), words);
        command.env("LUCID_DATA", self.data());
        command
    }

    /// Runs a command with nothing on its standard input.
    pub(crate) fn run(&self, words: &str) -> Ran {
        run(self.command(words), &[])
    }

    /// Runs a command with `input` on its standard input.
    pub(crate) fn feed(&self, words: &str, input: &[u8]) -> Ran {
        run(self.command(words), input)
    }

    /// Records `input` in chunks of 64 KiB and gives the session's id.
    pub(crate) fn ingest(&self, input: &[u8]) -> String {
        let ran = self.feed("ingest - --json --chunk-bytes 64KiB", input).ok();
        text(&ran.json()["session_id"])
    }

    /// What a session holds.
    pub(crate) fn restore(&self, id: &str) -> Vec<u8> {
        self.run(&format!("restore {id}")).ok().stdout
    }

    /// The node's log key, `ledger head`'s line `log key`.
    pub(crate) fn log_key(&self) -> String {
        text(&self.run("ledger head --json").ok().json()["log_key"])
    }

    /// A file of a session's chunks.
    pub(crate) fn chunk(&self, id: &str, index: u32) -> PathBuf {
        self.data().join("chunks").join(id).join(format!("{index:08}.lck"))
    }

    /// The only session's id.
    pub(crate) fn only_session(&self) -> String {
        let listed = self.run("list --json").ok().json();
        let sessions = listed["sessions"].as_array().unwrap();
        assert_eq!(sessions.len(), 1, "{listed}");
        text(&sessions[0]["session_id"])
    }
}

/// The binary with `words`, run in `folder`, with no environment but `PATH`.
pub(crate) fn bare_command(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(BINARY);
    command.args(words.split_whitespace()).current_dir(folder).env_clear();
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) command: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Runs `command` to its end with `input` on its standard input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{:?}", command.get_args().collect::<Vec<_>>());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        // A process that wants no input may be gone before it is written.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    let stderr = String::from_utf8(output.stderr).unwrap();
    Ran::new(shown, output.status, output.stdout, stderr)
}

impl Ran {
    fn new(command: String, status: ExitStatus, stdout: Vec<u8>, stderr: String) -> Self {
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
        assert_ne!(status.code(), Some(70), "{command}: {stderr}");
        Self { command, status, stdout, stderr }
    }

    /// That it succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.ends(0)
    }

    /// That it ended with this exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        let Self { command, status, stderr, .. } = &self;
        let stdout = String::from_utf8_lossy(&self.stdout);
        let stdout = stdout.chars().take(2000).collect::<String>();
        assert_eq!(status.code(), Some(code), "{command}: {status}\n{stderr}\n{stdout}");
        self
    }

    /// That it was killed, or ended before that could be done.
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    /// That standard error has each of these texts.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "{}: no {text:?} in: {}",
                self.command,
                self.stderr
            );
        }
        self
    }

    /// That standard output has each of these texts.
    #[track_caller]
    pub(crate) fn prints(self, texts: &[&str]) -> Self {
        let stdout = String::from_utf8_lossy(&self.stdout);
        for text in texts {
            assert!(stdout.contains(text), "{}: no {text:?} in: {stdout}", self.command);
        }
        self
    }

    /// Standard output's one JSON object.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_slice(&self.stdout);
        parsed.unwrap_or_else(|error| {
            let stdout = String::from_utf8_lossy(&self.stdout);
            panic!("{}: {error}: {stdout}\n{}", self.command, self.stderr)
        })
    }
}

/// A JSON string.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A path as a word of a command line.
pub(crate) fn text_of(path: &Path) -> String {
    let text = path.to_str().unwrap();
    assert!(!text.contains(char::is_whitespace), "{text}: words are split at spaces");
    text.to_owned()
}

/// A test that needs what this machine has not: it says so, and where nobody reads that, it fails.
pub(crate) fn not_run(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} was NOT RUN: {why}");
    // Not through the test harness, which hides what a test that passes prints.
    let _ = writeln!(std::io::stderr(), "\n*** {test} was NOT RUN: {why} ***\n");
}

/// Copies a folder and all in it, modes included.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Every file below `folder`, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    files
}

/// Every file below `folder` with its bytes.
pub(crate) fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    files_below(folder).into_iter().map(read).collect()
}

/// Changes the byte at `offset` of a file; counted from its end where negative.
pub(crate) fn flip(path: &Path, offset: i64) {
    let mut bytes = fs::read(path).unwrap();
    let base = if offset < 0 { bytes.len() } else { 0 };
    let place = base.checked_add_signed(isize::try_from(offset).unwrap()).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}
