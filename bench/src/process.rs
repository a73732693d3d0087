//! Child processes and what they used: time, processor time, peak memory.
//!
//! The command is started by a second process of this program that does nothing else
//! (`lucid-bench measured`). That keeps the figures clean: the kernel counts a child's peak memory
//! from what its parent had, so the parent must be small; and the processors are chosen by the
//! parent, so that every thread of the child has them from its first instruction.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use wait4::Wait4;

use crate::{machine, quiet::Watch};

/// What a process and its children used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// From start to end, by the clock.
    pub(crate) wall_s: f64,
    /// In its own code, over all processors.
    pub(crate) user_s: f64,
    /// In the kernel on its behalf.
    pub(crate) system_s: f64,
    /// Processors that others kept busy meanwhile, on average.
    pub(crate) others: f64,
    /// Most memory that was resident at once; of a pipeline, the sum of its programs' peaks.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// Processor time.
    pub(crate) fn processor_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

/// Stands alone between the commands of a pipeline.
pub(crate) const PIPE: &str = "|";

/// What a command did.
pub(crate) struct Finished {
    /// What it used.
    pub(crate) usage: Usage,
    /// What it printed.
    pub(crate) stdout: Vec<u8>,
}

/// Where a command's standard input comes from.
pub(crate) enum Input {
    /// Nowhere.
    None,
    /// Another process.
    From(Stdio),
}

/// Where its standard output goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To [`Finished::stdout`].
    Kept,
    /// To `/dev/null`.
    Dropped,
}

/// Runs `command` on `processors` and measures it. It may be a pipeline: commands with [`PIPE`] between.
///
/// # Errors
/// Where it cannot be started, or fails; what it wrote to standard error was shown.
pub(crate) fn run(
    command: &[impl AsRef<OsStr>],
    environment: &[(&str, &OsStr)],
    processors: &[usize],
    input: Input,
    output: Output,
) -> Result<Finished> {
    run_in(Path::new("."), command, environment, processors, input, output)
}

/// The same in a folder.
///
/// # Errors
/// As those of [`run`].
pub(crate) fn run_in(
    folder: &Path,
    command: &[impl AsRef<OsStr>],
    environment: &[(&str, &OsStr)],
    processors: &[usize],
    input: Input,
    output: Output,
) -> Result<Finished> {
    let report = tempfile::NamedTempFile::new()?;
    let cpus: Vec<String> = processors.iter().map(ToString::to_string).collect();
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("measured").arg("--report").arg(report.path());
    child.arg("--cpus").arg(cpus.join(",")).arg("--").args(command);
    child.envs(environment.iter().copied()).current_dir(folder);
    child.stdin(match input {
        Input::None => Stdio::null(),
        Input::From(stdin) => stdin,
    });
    child.stdout(match output {
        Output::Kept => Stdio::piped(),
        Output::Dropped => Stdio::null(),
    });
    let finished = child.stderr(Stdio::inherit()).spawn()?.wait_with_output()?;
    ensure!(finished.status.success(), "{}: {}", shown(command), finished.status);
    let usage = serde_json::from_slice(&fs::read(report.path())?)?;
    Ok(Finished { usage, stdout: finished.stdout })
}

/// A command line as text.
pub(crate) fn shown(command: &[impl AsRef<OsStr>]) -> String {
    let words: Vec<_> = command.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    words.join(" ")
}

/// Arguments of `measured`.
#[derive(Args)]
pub(crate) struct Measured {
    /// Where to write what was used
    #[arg(long)]
    report: PathBuf,
    /// The processors to run on
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<usize>,
    /// The command
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Measured {
    /// Runs the command, or all those of the pipeline.
    pub(crate) fn run(&self) -> Result<()> {
        machine::pin(&self.cpus)?;
        let (watch, start) = (Watch::begin()?, Instant::now());
        let children = start_all(&self.command)?;
        let mut usage =
            Usage { wall_s: 0.0, user_s: 0.0, system_s: 0.0, others: 0.0, peak_bytes: 0 };
        let mut failure = None;
        for (program, child) in children {
            let used = child.wait4()?;
            if !used.status.success() && failure.is_none() {
                failure = Some(format!("{} ended with {}", program.to_string_lossy(), used.status));
            }
            usage.user_s += used.rusage.utime.as_secs_f64();
            usage.system_s += used.rusage.stime.as_secs_f64();
            usage.peak_bytes += used.rusage.maxrss;
        }
        usage.wall_s = start.elapsed().as_secs_f64();
        if let Some(failure) = failure {
            bail!(failure);
        }
        usage.others = watch.others(usage.processor_s())?;
        Ok(fs::write(&self.report, serde_json::to_vec(&usage)?)?)
    }
}

/// Starts the commands of a pipeline, each with the standard output of the one before it.
fn start_all(words: &[OsString]) -> Result<Vec<(&OsString, Child)>> {
    let commands: Vec<&[OsString]> = words.split(|word| word == PIPE).collect();
    let (mut children, mut input) = (Vec::new(), Stdio::inherit());
    for (place, command) in commands.iter().enumerate() {
        let (program, arguments) = command.split_first().context("no command")?;
        let is_last = place + 1 == commands.len();
        let output = if is_last { Stdio::inherit() } else { Stdio::piped() };
        let child = Command::new(program).args(arguments).stdin(input).stdout(output).spawn();
        let mut child = child.with_context(|| program.to_string_lossy().into_owned())?;
        input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        children.push((program, child));
    }
    Ok(children)
}

/// The `lucid-node` to measure. The one beside this program is built first where cargo runs this
/// program, so that an old one is never measured by mistake.
///
/// # Errors
/// Where there is none.
pub(crate) fn node(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path);
    }
    let beside = std::env::current_exe()?.with_file_name("lucid-node");
    let release = beside.parent().and_then(Path::file_name) == Some("release".as_ref());
    if let (Some(cargo), true) = (std::env::var_os("CARGO"), release) {
        let built = Command::new(cargo)
            .args(["build", "--release", "--quiet", "--package", "lucid-node"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::null())
            .status()?;
        ensure!(built.success(), "lucid-node does not build");
    }
    let path = beside.display();
    ensure!(beside.exists(), "there is no {path}: name one with --node");
    Ok(beside)
}
