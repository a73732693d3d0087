//! The Python verifier, and a Python that has what it needs.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::Value;

use crate::support::not_run;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/verify.py");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/requirements.txt");

/// Whether this Python can run it: what it imports, in versions that have what it calls.
const PROBE: &str = "\
import sys, cryptography, zstandard
version = lambda module: tuple(map(int, module.__version__.split('.')[:2]))
sys.exit(sys.version_info < (3, 9) or version(cryptography) < (40, 0) or version(zstandard) < (0, 22))";

/// The Python verifier.
pub(crate) struct Verifier(&'static Path);

impl Verifier {
    /// None where there is no Python for it: then `test` says loudly that it was not run, and where
    /// `CI` is set, fails.
    pub(crate) fn find(test: &str) -> Option<Self> {
        static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        match PYTHON.get_or_init(find_python) {
            Ok(python) => Some(Self(python)),
            Err(why) => {
                let install = format!("python3 -m pip install -r {REQUIREMENTS}");
                not_run(test, &format!("no Python for the foreign verifier ({why}): {install}"));
                None
            }
        }
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, Value) {
        // -B: no compiled files beside the sources.
        let output = Command::new(self.0).args(["-B", SCRIPT]).args(words).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.is_empty(), "{words:?}: {stderr}");
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
    }

    /// That it says yes, and what else it says.
    #[track_caller]
    pub(crate) fn accepts(&self, words: &[&str]) -> Value {
        let (code, said) = self.run(words);
        assert_eq!((code, &said["ok"]), (Some(0), &Value::Bool(true)), "{words:?}: {said}");
        said
    }

    /// That it says no, and why.
    #[track_caller]
    pub(crate) fn refuses(&self, words: &[&str]) -> String {
        let (code, said) = self.run(words);
        assert_eq!((code, &said["ok"]), (Some(1), &Value::Bool(false)), "{words:?}: {said}");
        said["reason"].as_str().unwrap().to_owned()
    }
}

/// `python3` where it has the modules, else one in a virtual environment that is made once.
fn find_python() -> Result<PathBuf, String> {
    let system = PathBuf::from("python3");
    if can_run_it(&system) {
        return Ok(system);
    }
    let mut hasher = DefaultHasher::new();
    std::fs::read(REQUIREMENTS).unwrap().hash(&mut hasher);
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = format!("foreign-venv-{:016x}", hasher.finish());
    let (folder, making) = (base.join(&name), base.join(format!("{name}.{}", std::process::id())));
    let python = folder.join("bin/python3");
    if can_run_it(&python) {
        return Ok(python);
    }
    let made = done(Command::new(system).args(["-m", "venv"]).arg(&making)).and_then(|()| {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        done(Command::new(making.join("bin/python3")).args(pip).arg(REQUIREMENTS))
    });
    // It gets its name when it is whole; another run of the tests may have been faster.
    if made.is_err() || std::fs::rename(&making, &folder).is_err() {
        let _ = std::fs::remove_dir_all(&making);
    }
    made?;
    match can_run_it(&python) {
        true => Ok(python),
        false => Err(format!("{} does not work", folder.display())),
    }
}

fn can_run_it(python: &Path) -> bool {
    let probe = Command::new(python).args(["-c", PROBE]).output();
    probe.is_ok_and(|output| output.status.success())
}

fn done(command: &mut Command) -> Result<(), String> {
    let Output { status, stdout, stderr } = command.output().map_err(|e| e.to_string())?;
    let said = [stdout, stderr].concat();
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&said).trim())),
    }
}
