//! On which machine, and how busy it was.

use std::{
    fmt, fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use crate::inputs::ByteCount;

/// What stands beside every figure.
#[derive(Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    features: Vec<&'static str>,
    memory_gib: f64,
    kernel: String,
    folder: PathBuf,
    file_system: String,
    /// Runnable tasks over the last minute, when the benchmark began.
    load: f64,
}

impl Machine {
    /// This machine, with the file system that `folder` is on.
    pub(crate) fn here(folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize().context("the folder cannot be found")?;
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kibibytes: f64 = memory.trim_end_matches("kB").trim().parse().unwrap_or(0.0);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
        Ok(Self {
            cpu,
            cores: processors()?.len(),
            features: lucid_hal::cpu::features().names(),
            memory_gib: kibibytes / f64::from(1 << 20),
            kernel,
            file_system: file_system(&folder)?,
            folder,
            load,
        })
    }
}

impl Machine {
    /// Whether what is written to the folder stays in memory.
    pub(crate) fn is_memory(&self) -> bool {
        self.file_system == "tmpfs"
    }

    /// The folder and its file system, in words.
    pub(crate) fn disk(&self) -> String {
        format!("{} on {}", self.folder.display(), self.file_system)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_gib, kernel, load, .. } = self;
        let (features, disk) = (self.features.join(" "), self.disk());
        write!(
            f,
            "{cpu}, {cores} cores ({features}), {memory_gib:.0} GiB memory, Linux {kernel}; "
        )?;
        write!(f, "{disk}; load {load:.2} at the start")
    }
}

/// The first `name: value` of a file of `/proc`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let (_, value) =
        text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

/// The type of the file system that `folder` is on.
fn file_system(folder: &Path) -> Result<String> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        folder.starts_with(place).then_some((place.len(), kind))
    });
    // Of two mounts on one place the later one is seen.
    let seen = mounted.max_by_key(|(length, _)| *length);
    Ok(seen.map_or("unknown", |(_, kind)| kind).to_owned())
}

/// The processors that this process may use.
pub(crate) fn processors() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect())
}

/// From here on this thread, and every process it starts, runs on `processors` only.
pub(crate) fn pin(processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in processors {
        set.set(*cpu);
    }
    sched_setaffinity(None, &set).context("the processors cannot be chosen")
}

/// Writes a file of this size in `folder`, and removes it.
///
/// The host of a virtual machine takes back memory that stays free for some seconds, and hands it
/// out again page by page when it is touched. On a tmpfs, whoever wrote first after a slow peer
/// would pay for that: 2.2 seconds of a processor for a gigabyte where it is 1.0 otherwise. So
/// every program gets the same: memory that is there.
pub(crate) fn touch_memory(folder: &Path, size: ByteCount) -> Result<()> {
    let path = folder.join("touched");
    let piece = vec![1; 1 << 20];
    let mut file = fs::File::create(&path)?;
    let mut rest = size.0;
    while rest > 0 {
        let count = rest.min(piece.len() as u64);
        file.write_all(&piece[..usize::try_from(count)?])?;
        rest -= count;
    }
    drop(file);
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
}

/// A program on the search path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
