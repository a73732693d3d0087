//! `chain`: what a durable ledger entry costs, alone and among others, and whether that stays so as the
//! log grows. Beside it, in turns, the least that durability costs: the same bytes at the end of a file,
//! and one fdatasync. Then the node's EVM ([`evm`]).

mod evm;

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use lucid_core::{
    Timestamp,
    entry::{Entry, NodeEvent},
};
use lucid_store::{CreateOptions, Disk, KekSource, NoCiphers, OpenOptions as StoreOptions, Store};
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    machine::Machine,
    process,
    report::{Report, Table, digits, spread},
    samples::Spread,
};

/// Entries that are appended together where the log is only made longer.
const FILL: u64 = 4096;
/// How often the long log is opened.
const OPENINGS: usize = 5;

/// Arguments of `chain`.
#[derive(Args)]
pub(crate) struct Chain {
    /// The folder in which data folders are made, and removed afterwards: on the disk to measure
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Writers at once, in the row of many
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    writers: u32,
    /// Turns of each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each turn
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Entries of the longest log
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    entries: u64,
}

/// What one row took.
#[derive(Default, Serialize)]
struct Taken {
    name: String,
    /// Durable appends, each with how long its writer waited for it, microseconds.
    waits_us: Vec<f64>,
    /// Seconds of all its turns.
    seconds: f64,
}

impl Taken {
    fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The wait that so many per cent of the appends do not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let mut waits = self.waits_us.clone();
        waits.sort_by(f64::total_cmp);
        let place = (waits.len() * percent).div_ceil(100);
        waits.get(place.max(1) - 1).copied().unwrap_or(f64::NAN)
    }

    fn rate(&self) -> f64 {
        self.waits_us.len() as f64 / self.seconds
    }
}

/// A size of the log, and what appends cost there.
#[derive(Serialize)]
struct AtSize {
    entries: u64,
    bare: Taken,
    one: Taken,
}

#[derive(Serialize)]
struct Measured {
    writers: u32,
    bare: Taken,
    one: Taken,
    many: Taken,
    sizes: Vec<AtSize>,
    /// Seconds that opening the longest log took, each time.
    open_s: Vec<f64>,
    evm: evm::Measured,
}

impl Chain {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        fs::create_dir_all(&self.folder)?;
        let machine = Machine::here(&self.folder)?;
        let node = process::node(node)?;
        let folder = TempDir::new_in(&self.folder)?;
        let mut measured = self.measure(folder.path())?;
        let turn = Duration::from_secs_f64(self.seconds);
        measured.evm = evm::measure(&node, folder.path(), self.rounds, turn)?;
        let mut report = Report::default();
        report.paragraph(&machine);
        report.raw("machine", &machine)?;
        report.raw("chain", &measured)?;
        measured.tables(&mut report);
        Ok(report)
    }

    fn measure(&self, folder: &Path) -> Result<Measured> {
        let turn = Duration::from_secs_f64(self.seconds);
        let store = make(&folder.join("rates"))?;
        let mut file = Bare::make(&folder.join("bare"))?;
        let [mut bare, mut one] =
            ["append the bytes and fdatasync", "one writer"].map(Taken::named);
        let mut many = Taken::named(format!("{} writers at once", self.writers));
        for _ in 0..self.rounds {
            file.turn(turn, &mut bare)?;
            writers(&store, 1, turn, &mut one)?;
            writers(&store, self.writers, turn, &mut many)?;
        }
        drop(store);
        // Another log, which is as long as its rows say.
        let data = folder.join("data");
        let store = make(&data)?;
        let mut sizes = Vec::new();
        for power in 3.. {
            let entries = 10_u64.pow(power).min(self.entries);
            let has = store.figures().log_entries;
            if entries > has {
                fill(&store, entries)?;
            }
            let (mut bare, mut one) = (Taken::named("bare"), Taken::named("one"));
            for _ in 0..self.rounds {
                file.turn(turn / 2, &mut bare)?;
                writers(&store, 1, turn / 2, &mut one)?;
            }
            sizes.push(AtSize { entries: entries.max(has), bare, one });
            if entries == self.entries {
                break;
            }
        }
        drop(store);
        let open_s = (0..OPENINGS).map(|_| open(&data, self.entries)).collect::<Result<_>>()?;
        let evm = evm::Measured::default();
        Ok(Measured { writers: self.writers, bare, one, many, sizes, open_s, evm })
    }
}

/// The least that a durable entry costs.
struct Bare {
    file: File,
    entry: Vec<u8>,
}

impl Bare {
    fn make(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file, entry: entry(0).to_bytes()? })
    }

    fn turn(&mut self, time: Duration, taken: &mut Taken) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < time {
            let begin = Instant::now();
            self.file.write_all(&self.entry)?;
            self.file.sync_data()?;
            taken.waits_us.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        taken.seconds += start.elapsed().as_secs_f64();
        Ok(())
    }
}

/// So many writers, each of which appends an entry, waits for it, and appends the next.
fn writers(store: &Store, count: u32, time: Duration, taken: &mut Taken) -> Result<()> {
    let start = Instant::now();
    let write = |number: u32| -> Result<Vec<f64>> {
        let mut waits = Vec::new();
        while start.elapsed() < time {
            let begin = Instant::now();
            store.append(&[entry(u64::from(number))])?;
            waits.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        Ok(waits)
    };
    let waits = thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|n| scope.spawn(move || write(n))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().map_err(|_| anyhow!("a writer panicked"))?
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    taken.seconds += start.elapsed().as_secs_f64();
    taken.waits_us.extend(waits.into_iter().flatten());
    Ok(())
}

fn at() -> Timestamp {
    Timestamp::from_unix_millis(1_795_396_045_123)
}

#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
fn entry(number: u64) -> Entry {
    Entry::NodeEvent(NodeEvent {
        at: at(),
        detail: format!(
            "an entry of about the length that those of sessions have, number {number}"
        ),
        event: "bench".to_owned(),
        kind: Default::default(),
        v: Default::default(),
    })
}

fn make(data: &Path) -> Result<Store> {
    let (kek, disk, ciphers) = (KekSource::Folder, Disk::default(), Arc::new(NoCiphers));
    let options = CreateOptions { kek, at: at(), reserve_bytes: Some(0), disk, ciphers };
    Ok(Store::create(data, options)?)
}

fn fill(store: &Store, entries: u64) -> Result<()> {
    while store.figures().log_entries < entries {
        let count = FILL.min(entries - store.figures().log_entries);
        store.append(&(0..count).map(entry).collect::<Vec<_>>())?;
    }
    Ok(())
}

fn open(data: &Path, entries: u64) -> Result<f64> {
    let (disk, ciphers) = (Disk::default(), Arc::new(NoCiphers));
    let options = StoreOptions { kek: None, at: at(), reserve_bytes: Some(0), disk, ciphers };
    let start = Instant::now();
    let (store, _) = Store::open(data, options)?;
    let seconds = start.elapsed().as_secs_f64();
    let found = store.figures().log_entries;
    ensure!(found >= entries, "the log has only {found} entries");
    Ok(seconds)
}

impl Measured {
    fn tables(&self, report: &mut Report) {
        let Self { writers, bare, one, many, sizes, open_s, evm } = self;
        let headings =
            ["", "entries/s", "p50 µs", "p99 µs", "p50 by the bare p50", "p99 by the bare p99"];
        let mut table = Table::new(&headings);
        for row in [bare, one, many] {
            let [p50, p99] = [50, 99].map(|part| (row.percentile(part), bare.percentile(part)));
            table.row([
                row.name.clone(),
                format!("{:.0}", row.rate()),
                digits(p50.0),
                digits(p99.0),
                digits(p50.0 / p50.1),
                digits(p99.0 / p99.1),
            ]);
        }
        report.table("Durable appends of one entry each", &table);
        let mut table =
            Table::new(&["entries in the log", "p50 µs", "p99 µs", "bare p50 µs", "bare p99 µs"]);
        for AtSize { entries, bare, one } in sizes {
            let cells = [one, bare].map(|row| [50, 99].map(|part| digits(row.percentile(part))));
            table.row([entries.to_string()].into_iter().chain(cells.into_iter().flatten()));
        }
        report.table("One writer, as the log grows", &table);
        let mut table = Table::new(&["the EVM", "median (min to max)"]);
        let registrations = format!("a block of {} registrations", evm.registrations);
        let http = format!(
            "eth_call over HTTP, {} clients, the node on {} core, calls/s",
            evm.http_clients, evm.http_processors
        );
        for (name, figures) in [
            ("eth_call in process, one thread, calls/s", &evm.calls_in_process_s),
            (&http, &evm.calls_over_http_s),
            (&format!("{registrations}, ms"), &evm.block_ms),
            ("signing them, before, ms", &evm.sign_ms),
        ] {
            table.row([name.to_owned(), spread(Spread::of(figures.iter().copied()))]);
        }
        report.table("Calls and blocks", &table);
        let mut targets = Table::new(&["target", "wanted", "measured", "met"]);
        let mut target = |name: &str, wanted: &str, found: f64, met: bool| {
            let met = if met { "yes" } else { "**no**" };
            targets.row([name.to_owned(), wanted.to_owned(), digits(found), met.to_owned()]);
        };
        let rate = many.rate();
        let name = format!("{writers} writers, entries/s");
        target(&name, "at least 10000", rate, rate >= 10_000.0);
        let ratio = one.percentile(99) / bare.percentile(99);
        target("one writer, p99 by an fdatasync's p99", "at most 3", ratio, ratio <= 3.0);
        let longest = open_s.iter().copied().fold(0.0, f64::max);
        target("open the longest log, s (worst)", "below 1", longest, longest < 1.0);
        let median =
            |figures: &[f64]| Spread::of(figures.iter().copied()).map_or(f64::NAN, |it| it.median);
        let calls = median(&evm.calls_over_http_s);
        target("eth_call over HTTP, one core, calls/s", "at least 3000", calls, calls >= 3000.0);
        let calls = median(&evm.calls_in_process_s);
        target("eth_call in process, calls/s", "at least 20000", calls, calls >= 20_000.0);
        let block = median(&evm.block_ms);
        target(&format!("{registrations}, ms"), "below 100", block, block < 100.0);
        report.table("Targets", &targets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_waits() {
        let waits_us = (1..=200).rev().map(f64::from).collect();
        let taken = Taken { waits_us, seconds: 4.0, ..Taken::default() };
        for (percent, wait) in [(50, 100.0), (99, 198.0), (100, 200.0)] {
            assert!((taken.percentile(percent) - wait).abs() < 1e-9, "{percent}");
        }
        assert!((taken.rate() - 50.0).abs() < 1e-9);
        assert!(Taken::default().percentile(50).is_nan());
    }

    #[test]
    fn every_row_is_filled() {
        let folder = TempDir::new().unwrap();
        let chain = Chain {
            folder: folder.path().to_owned(),
            writers: 4,
            rounds: 1,
            seconds: 0.05,
            entries: 1500,
        };
        let measured = chain.measure(folder.path()).unwrap();
        for row in [&measured.bare, &measured.one, &measured.many] {
            assert!(row.rate() > 0.0 && row.percentile(99) >= row.percentile(50), "{}", row.name);
        }
        assert!(
            measured.sizes.last().unwrap().entries >= 1500 && measured.open_s.len() == OPENINGS
        );
    }
}
