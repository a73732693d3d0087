//! `doctor --bench`: how fast this machine is at what the node does, in half a minute.
//!
//! Everything is measured here and on the disk of the data folder: the steps of the hot path each alone,
//! and a whole ingest of a generated stream. What it says can be sent to others: it names the processor,
//! the code that ran, how hot the board was before and after and whether it was slowed down, and neither
//! a path nor a serial number.
//!
//! All that it writes lies in one folder, `doctor-bench.tmp`, which it removes. A crash leaves that
//! folder, the next run says so, and nothing else ever reads it.

mod generated;
mod measure;
mod whole;

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
    time::Instant,
};

use lucid_hal::{
    board::{Board, Wanted},
    cpu,
};
use lucid_pipeline::aead::{self, Implementation};
use rustix::fs::statvfs;
use serde::Serialize;

use self::measure::Figure;
use super::{disk, machine};
use crate::{
    config::Config,
    context::Context,
    failure::{Failure, Outcome},
    output::{human_bytes, table},
};

/// The folder of all that is written.
const FOLDER: &str = "doctor-bench.tmp";

/// Free bytes that must be there: twice what is written at most.
const ROOM_BYTES: u64 = 1 << 30;

/// What was measured, and on what.
#[derive(Serialize)]
struct Report {
    software: &'static str,
    machine: Machine,
    before: State,
    after: State,
    figures: Vec<Figure>,
    seconds: f64,
}

#[derive(Serialize)]
struct Machine {
    processor: String,
    architecture: &'static str,
    cores: usize,
    workers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<String>,
    kernel: String,
    memory: String,
    file_system: String,
    cipher: String,
    hashing: String,
    zstd_level: u8,
}

/// How the board is at a moment.
#[derive(Serialize)]
struct State {
    #[serde(skip_serializing_if = "Option::is_none")]
    celsius: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slowed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    under_voltage: Option<bool>,
    /// Of the first processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    megahertz: Option<u64>,
    /// Runnable tasks over the last minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<f64>,
}

/// Measures, and removes what it wrote.
///
/// # Errors
/// Where there is no such folder or too little room in it; the disk's; that the user stopped it.
pub(super) fn run(context: &Context, folder: Option<&Path>) -> Outcome<ExitCode> {
    context.catch_signals()?;
    context.catch_hangup()?;
    let started = Instant::now();
    let scratch = Scratch::make(folder.unwrap_or(&context.config.data))?;
    let before = State::now();
    let mut figures = Vec::new();
    for measure in measure::STEPS {
        if context.cancel.load(Ordering::SeqCst) {
            return Err(Failure::io("interrupted"));
        }
        figures.push(measure(&scratch.path, context.config.zstd_level)?);
    }
    figures.push(whole::ingest(context, &scratch.path)?);
    let after = State::now();
    let machine = Machine::here(&context.config, &scratch.path);
    scratch.remove()?;
    let (software, seconds) = (crate::SOFTWARE, started.elapsed().as_secs_f64());
    let report = Report { software, machine, before, after, figures, seconds };
    context.output.print(&report, text)?;
    Ok(ExitCode::SUCCESS)
}

/// The folder of all that is written; removed in any case.
struct Scratch {
    path: PathBuf,
}

/// Whether nobody but its owner, this user or root, can put something else into a folder's entries' places.
fn is_ours(folder: &fs::Metadata, user: u32) -> bool {
    let mode = folder.mode();
    let is_shared = mode & 0o022 != 0 && mode & 0o1000 == 0;
    (folder.uid() == user || folder.uid() == 0) && !is_shared
}

impl Scratch {
    fn make(parent: &Path) -> Outcome<Self> {
        let name = parent.display();
        let stat = statvfs(parent).map_err(|error| {
            let error = io::Error::from(error);
            Failure::usage(format!("{name}: {error}; name a folder with --dir DIR"))
        })?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < ROOM_BYTES {
            let (free, room) = (human_bytes(free), human_bytes(ROOM_BYTES));
            return Err(Failure::usage(format!(
                "{name} has {free} free, and {room} are needed: name another folder with --dir DIR"
            )));
        }
        let found = fs::metadata(parent)?;
        if !is_ours(&found, rustix::process::geteuid().as_raw()) {
            return Err(Failure::usage(format!(
                "{name} is another user's, or others may write to it: they could lead what is written elsewhere. Measure as \
                 the user whose folder it is, or name another folder with --dir DIR"
            )));
        }
        let path = parent.join(FOLDER);
        fs::create_dir(&path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::usage(format!(
                "{} is there: another run is at it, or one was cut short; then remove it",
                path.display()
            )),
            _ => Failure::io(format!(
                "{} cannot be made: {error}; name another folder with --dir DIR",
                path.display()
            )),
        })?;
        Ok(Self { path })
    }

    fn remove(self) -> Outcome {
        fs::remove_dir_all(&self.path).map_err(|error| {
            Failure::io(format!("{} cannot be removed: {error}", self.path.display()))
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // After `remove` there is nothing; after an error that is told, this is what can be done.
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Machine {
    fn here(config: &Config, folder: &Path) -> Self {
        let (mut board, _) = Board::open(&Wanted::default());
        let model = board.identity.model.take();
        let suite = config.suite.unwrap_or_else(aead::best_suite);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self {
            processor: machine::processor().found,
            architecture: std::env::consts::ARCH,
            cores,
            workers: config.workers.get(),
            board: model,
            kernel: kernel.trim().to_owned(),
            memory: machine::memory(config).found,
            file_system: disk::file_system(folder).found,
            cipher: format!(
                "{} by {}",
                Config::suite_name(Some(suite)),
                Implementation::BEST.name()
            ),
            hashing: cpu::best_sha256().to_string(),
            zstd_level: config.zstd_level,
        }
    }
}

impl State {
    fn now() -> Self {
        let (mut board, _) = Board::open(&Wanted::default());
        // A sensor that cannot be read says nothing here; `doctor` without --bench says why.
        let reading = board.sensors.read().unwrap_or_default();
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let kilohertz = number("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq");
        let load = fs::read_to_string("/proc/loadavg").ok();
        Self {
            celsius: reading.temperature.map(|temperature| f64::from(temperature.0) / 1000.0),
            slowed: reading.throttling.map(lucid_hal::board::throttle::Throttling::is_slowed),
            under_voltage: reading
                .throttling
                .map(lucid_hal::board::throttle::Throttling::was_under_voltage),
            megahertz: kilohertz.map(|kilohertz| kilohertz / 1000),
            load: load.and_then(|load| load.split(' ').next()?.parse().ok()),
        }
    }

    fn text(&self) -> String {
        let yes_no = |yes: bool| if yes { "yes" } else { "no" };
        let said = [
            self.celsius.map(|celsius| format!("{celsius:.1} °C")),
            self.slowed.map(|slowed| format!("slowed down: {}", yes_no(slowed))),
            self.under_voltage.map(|under| format!("supply was too low: {}", yes_no(under))),
            self.megahertz.map(|megahertz| format!("{megahertz} MHz")),
            self.load.map(|load| format!("load {load:.2}")),
        ];
        let said: Vec<_> = said.into_iter().flatten().collect();
        if said.is_empty() { "not known".to_owned() } else { said.join(", ") }
    }
}

fn text(report: &Report) -> String {
    let Report { software, machine, before, after, figures, seconds } = report;
    let mut rows = vec![
        ("software", (*software).to_owned()),
        ("processor", format!("{} ({})", machine.processor, machine.architecture)),
        ("cores", format!("{}, workers {}", machine.cores, machine.workers)),
        ("kernel", machine.kernel.clone()),
        ("memory", machine.memory.clone()),
        ("file system", machine.file_system.clone()),
        ("cipher", machine.cipher.clone()),
        ("hashing", machine.hashing.clone()),
        ("zstd", format!("level {}", machine.zstd_level)),
        ("before", before.text()),
        ("after", after.text()),
    ];
    if let Some(board) = &machine.board {
        rows.insert(1, ("board", board.clone()));
    }
    let mut text = table(&rows);
    let width = figures.iter().map(|figure| figure.what.chars().count()).max().unwrap_or(0);
    text.push_str(&format!("\n{:width$}  {:>9}  {:>9}  {:>9}\n", "", "median", "least", "most"));
    for Figure { what, unit, median, least, most, samples } in figures {
        text.push_str(&format!(
            "{what:width$}  {median:>9.1}  {least:>9.1}  {most:>9.1}  {unit} ({samples} times)\n"
        ));
    }
    text.push_str(&format!("\ntook {seconds:.1} s; all that was written is removed\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        for (mode, good) in [(0o700, true), (0o777, false), (0o770, false), (0o1777, true)] {
            fs::set_permissions(base.path(), fs::Permissions::from_mode(mode)).unwrap();
            let made = Scratch::make(base.path());
            assert_eq!(made.is_ok(), good, "{mode:o}");
            let said = made.err().map(|failure| failure.error.to_string());
            assert!(said.is_none_or(|said| said.contains("--dir DIR")), "{mode:o}");
        }
        let found = fs::metadata(base.path()).unwrap();
        assert!(!is_ours(&found, found.uid() + 1) || found.uid() == 0);
    }

    #[test]
    fn what_is_written_is_removed_and_what_is_there_is_left() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(base.path()).unwrap();
        fs::write(scratch.path.join("file"), "some").unwrap();
        let again = Scratch::make(base.path()).map(|_| ()).unwrap_err();
        assert!(again.error.to_string().contains("then remove it"), "{:#}", again.error);
        assert!(scratch.path.exists(), "the one who was refused removes nothing");
        scratch.remove().unwrap();
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        drop(Scratch::make(base.path()).unwrap());
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        let missing = Scratch::make(&base.path().join("missing")).map(|_| ()).unwrap_err();
        assert!(missing.error.to_string().contains("--dir"), "{:#}", missing.error);
    }
}
