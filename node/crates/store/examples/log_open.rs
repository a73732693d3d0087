//! Times the opening of a log: `log_open DIR N` makes a log of N small entries in DIR unless it is
//! there, and says how long opening it, proofs and a full check take, and how much memory. Run it
//! twice: the first run also holds what making the log took.

use std::{
    env, fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use lucid_core::{EntryIndex, note::SigningKey};
use lucid_store::{
    disk::Disk,
    log::{Log, LogError, check},
};

/// Entries in one append: what a busy node gathers while a checkpoint is on its way to the disk.
const GROUP: u64 = 4096;

fn key() -> SigningKey {
    SigningKey::from_seed("lucid/example".parse().expect("a key name"), &[7; 32])
}

fn entry(index: u64) -> Vec<u8> {
    let at = "1970-01-01T00:00:00.001Z";
    format!(r#"{{"at":"{at}","detail":"{index}","event":"example","kind":"node.event","v":1}}"#)
        .into_bytes()
}

fn make(dir: &Path, count: u64) -> Result<(), LogError> {
    let mut log = Log::create(dir, key(), Disk::default())?;
    while log.size() < count {
        let group: Vec<_> = (log.size()..count.min(log.size() + GROUP)).map(entry).collect();
        log.append(&group)?;
    }
    Ok(())
}

fn open(dir: &Path) -> Result<(Log, Duration), LogError> {
    let start = Instant::now();
    let log = Log::open(dir, key(), Disk::default())?;
    Ok((log, start.elapsed()))
}

fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn run(dir: &Path, count: u64) -> Result<(), LogError> {
    if !dir.exists() {
        let start = Instant::now();
        make(dir, count)?;
        println!("made {count} entries in {:?}", start.elapsed());
    }
    let (log, elapsed) = open(dir)?;
    println!("opened {} entries in {elapsed:?}, peak memory {}", log.size(), peak_memory());
    let start = Instant::now();
    let samples = 1000.min(log.size());
    for sample in 0..samples {
        log.tlog_proof(EntryIndex(sample * (log.size() / samples)))?;
    }
    println!("made {samples} proofs in {:?}", start.elapsed());
    let start = Instant::now();
    let report = check(dir, key().verifier_key(), &mut |_, _| ());
    let (elapsed, findings) = (start.elapsed(), report.findings.len());
    println!("checked all in {elapsed:?}, {findings} findings, peak memory {}", peak_memory());
    Ok(())
}

#[expect(clippy::print_stderr, reason = "it is a program")]
fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [dir, count] = arguments.as_slice() else {
        eprintln!("usage: log_open DIR N");
        return ExitCode::from(64);
    };
    let Ok(count) = count.parse() else {
        eprintln!("N is a number of entries");
        return ExitCode::from(64);
    };
    match run(Path::new(dir), count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
            ExitCode::from(74)
        }
    }
}
