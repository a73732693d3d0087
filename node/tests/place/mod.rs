//! A node in a folder of its own, spoken to by the real binary.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// A folder that is a command's working directory; the data folder is `lucid-data` in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// An empty place.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A place with a data folder.
    pub(crate) fn with_node() -> Self {
        let place = Self::new();
        place.run(&["init"], 0);
        place
    }

    /// A name in the place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A name in the data folder.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path("lucid-data").join(name)
    }

    /// Writes a file and gives its name as an argument.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).display().to_string()
    }

    /// The binary, without settings of the environment that the tests run in.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucid-node"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("LUCID_") || name.starts_with("MASTER_ENCRYPTION_KEY") {
                command.env_remove(name);
            }
        }
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs the binary, which must end with `code`.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str], code: i32) -> Ran {
        self.run_with(arguments, &[], code)
    }

    /// Runs the binary with variables.
    #[track_caller]
    pub(crate) fn run_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        code: i32,
    ) -> Ran {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.code, Some(code), "{arguments:?}\n{}{}", ran.out, ran.err);
        ran
    }

    /// Runs the binary for its JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str], code: i32) -> Value {
        self.run(&[arguments, &["--json"]].concat(), code).json()
    }

    /// Records `content` and gives the session's id.
    pub(crate) fn ingest(&self, content: &[u8]) -> String {
        let path = self.write("recording", content);
        text(&self.json(&["ingest", &path], 0)["session_id"])
    }

    /// Begins to record standard input; gives the process, which has the data folder, and the
    /// session's id.
    pub(crate) fn recording(&self) -> (Child, String) {
        let mut command = self.command(&["ingest", "-", "--progress", "json"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let errors = BufReader::new(child.stderr.as_mut().unwrap());
        let opened = errors.lines().map(Result::unwrap).find(|line| line.starts_with('{'));
        let opened: Value = serde_json::from_str(&opened.unwrap()).unwrap();
        (child, text(&opened["session_id"]))
    }

    /// An open session that nobody records any more.
    pub(crate) fn abandoned(&self) -> String {
        let (mut child, session) = self.recording();
        child.kill().unwrap();
        child.wait().unwrap();
        session
    }

    /// Every file in a folder and what it holds, but for the lock, which has a process id.
    pub(crate) fn files(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path(name)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.ends_with("lock") => (),
                    false => drop(files.insert(path.clone(), fs::read(path).unwrap())),
                }
            }
        }
        files
    }
}

/// How a run ended and what it printed.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// The one JSON object that was printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }
}

/// A JSON text.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// Changes one byte of a file.
pub(crate) fn damage(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}
