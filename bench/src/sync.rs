//! `sync`: a backlog into the real mongod: how fast, in how much memory, and what whoever uploads meanwhile
//! notices of it.
//!
//! All of it is the real `lucid-node run`, asked over HTTP. What an upload takes is compared with the same upload
//! while nothing is sent, in turns; where mongod runs makes the difference there, so it runs in several places.

mod backlog;
mod database;
mod uploads;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use self::{
    backlog::Backlog,
    database::{Database, Place},
    uploads::{Beside, Uploads},
};
use crate::{
    http::{
        client::Client,
        server::{Server, Wallet},
    },
    inputs::ByteCount,
    machine::Machine,
    node::clear,
    process,
    report::{Report, Table, digits, mebibytes, spread},
    samples::Spread,
};

/// How often it is looked how far the sync is.
const LOOK: Duration = Duration::from_millis(100);
/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// Arguments of `sync`.
#[derive(Args)]
pub(crate) struct Sync {
    /// The folder of all that is written, mongod's data too; with 4 GiB free
    #[arg(value_name = "DIR", default_value = "/dev/shm/lucid-bench-sync")]
    folder: PathBuf,
    /// Documents of the backlog
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    documents: u64,
    /// Chunks of each session in it
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    chunks: u32,
    /// Times that the whole backlog is sent
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Bytes of an upload
    #[arg(long, default_value = "256MiB")]
    size: ByteCount,
    /// Rounds of uploads with and without a backlog, for each place of mongod; 0 leaves them out
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

/// A backlog that was sent, from the first document that was seen in the database to the last.
#[derive(Serialize)]
struct CaughtUp {
    documents: u64,
    seconds: f64,
    node_cpu_s: f64,
    mongod_cpu_s: f64,
    /// The node's resident memory, with the documents that were sent by then.
    resident: Vec<(u64, u64)>,
}

/// How far the sync is.
struct State {
    documents: u64,
    is_done: bool,
}

#[derive(Serialize)]
struct Measured {
    sessions: u64,
    chunks: u32,
    caught_up: Vec<CaughtUp>,
    uploads: Vec<Beside>,
}

/// What every run needs.
struct Bench<'a> {
    node: &'a Path,
    wallet: &'a Wallet,
    data: &'a Path,
}

/// A running node and a client of it.
struct Running {
    server: Server,
    client: Client,
}

impl Sync {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        fs::create_dir_all(&self.folder)?;
        let machine = Machine::here(&self.folder)?;
        let node = process::node(node)?;
        let wallet = Wallet::new(&node, &self.folder)?;
        let backlog = Backlog::of(self.documents, self.chunks);
        let data = backlog.ensure(&self.folder)?;
        let bench = Bench { node: &node, wallet: &wallet, data: &data };
        bench.warm_up()?;
        let mut caught_up = Vec::new();
        let database = Database::start(&self.folder, Place::Shared)?;
        for _ in 0..self.runs {
            caught_up.push(bench.catch_up(&database, backlog)?);
        }
        drop(database);
        let uploads = Uploads { size: self.size, rounds: self.rounds };
        let uploads = uploads.measure(&bench, &self.folder)?;
        let measured =
            Measured { sessions: backlog.sessions, chunks: self.chunks, caught_up, uploads };
        let mut report = Report::default();
        report.paragraph(&machine);
        report.raw("machine", &machine)?;
        report.raw("sync", &measured)?;
        measured.tables(&mut report);
        Ok(report)
    }
}

impl Bench<'_> {
    /// Starts the node with a database that has nothing, or with none.
    fn start(&self, database: Option<&Database>) -> Result<Running> {
        clear(&self.data.join("sync"))?;
        let settings = database.map(|database| ("LUCID_MONGO_URL", database.url()));
        let settings: Vec<_> = settings.into_iter().collect();
        let (server, _) = Server::start_with(self.node, self.data, self.wallet, &settings)?;
        let client = Client::sign_in(server.address, self.node, self.wallet)?;
        Ok(Running { server, client })
    }

    /// The first start makes the node's own indexes of the log.
    fn warm_up(&self) -> Result<()> {
        self.start(None)?.server.wait_until_at_rest()
    }

    fn catch_up(&self, database: &Database, backlog: Backlog) -> Result<CaughtUp> {
        let running = self.start(Some(database))?;
        let node_s = || running.server.processor_s().map(|[user, system]| user + system);
        let from = running.wait_for_documents()?;
        let (begun, node_cpu_s, mongod_cpu_s) =
            (Instant::now(), node_s()?, database.processor_s()?);
        let mut resident = Vec::new();
        let to = loop {
            let state = running.state()?;
            resident.push((state.documents, running.server.resident_bytes()?));
            if state.is_done {
                break state.documents;
            }
            ensure!(begun.elapsed() < PATIENCE, "the backlog is not sent within {PATIENCE:?}");
            thread::sleep(LOOK);
        };
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(to >= backlog.documents(), "only {to} documents were sent");
        let (node_cpu_s, mongod_cpu_s) =
            (node_s()? - node_cpu_s, database.processor_s()? - mongod_cpu_s);
        drop(running);
        database.forget("lucid")?;
        Ok(CaughtUp { documents: to - from, seconds, node_cpu_s, mongod_cpu_s, resident })
    }
}

impl Running {
    fn state(&self) -> Result<State> {
        let state = self.client.get("/api/v1/admin/sync")?;
        let number = |value: &serde_json::Value| value.as_u64().context("no number");
        let collections = state["collections"].as_array().context("no collections")?;
        let mut documents = 0;
        for collection in collections {
            documents += number(&collection["documents"])?;
        }
        let is_done = !collections.is_empty() && number(&state["lag_entries"])? == 0;
        let fault = &state["last_fault"];
        ensure!(fault.is_null(), "the sync: {fault}");
        Ok(State { documents, is_done })
    }

    /// Waits until the first documents are there; gives how many.
    fn wait_for_documents(&self) -> Result<u64> {
        let begun = Instant::now();
        loop {
            match self.state()?.documents {
                0 => ensure!(begun.elapsed() < PATIENCE, "nothing is sent"),
                documents => return Ok(documents),
            }
            thread::sleep(LOOK / 10);
        }
    }
}

impl CaughtUp {
    fn rate(&self) -> f64 {
        self.documents as f64 / self.seconds
    }

    /// The most that was resident while the backlog was so far, as shares of all of it.
    fn resident_between(&self, from: f64, to: f64) -> f64 {
        let all = self.resident.last().map_or(0, |(documents, _)| *documents) as f64;
        let within = |documents: u64| (from * all..=to * all).contains(&(documents as f64));
        let bytes = self.resident.iter().filter(|(documents, _)| within(*documents));
        bytes.map(|(_, bytes)| *bytes as f64).fold(0.0, f64::max)
    }
}

impl Measured {
    fn tables(&self, report: &mut Report) {
        let Self { sessions, chunks, .. } = self;
        let of = |figure: fn(&CaughtUp) -> f64| Spread::of(self.caught_up.iter().map(figure));
        let each = |seconds: f64, run: &CaughtUp| seconds / run.documents as f64 * 1e6;
        let node_us = Spread::of(self.caught_up.iter().map(|run| each(run.node_cpu_s, run)));
        let mongod_us = Spread::of(self.caught_up.iter().map(|run| each(run.mongod_cpu_s, run)));
        let mib = |bytes: Option<Spread>| bytes.map_or_else(String::new, |it| mebibytes(it.max));
        let mut table = Table::new(&["what", "measured, median (min to max)"]);
        table.row(["documents a second".into(), spread(of(CaughtUp::rate))]);
        table.row(["the node's processor time for a document, µs".into(), spread(node_us)]);
        table.row(["mongod's, µs".into(), spread(mongod_us)]);
        let first = of(|run| run.resident_between(0.0, 0.2));
        let last = of(|run| run.resident_between(0.8, 1.0));
        table.row(["resident in the first fifth, MiB, at most".into(), mib(first)]);
        table.row(["resident in the last fifth, MiB, at most".into(), mib(last)]);
        let documents = self.caught_up.first().map_or(0, |run| run.documents);
        let heading = format!(
            "A backlog of {documents} documents ({sessions} sessions of {chunks} chunks) into mongod"
        );
        report.table(&heading, &table);
        let beside = uploads::table(&self.uploads);
        report.table("Uploads beside a backlog that is being sent", &beside);

        let mut targets = Table::new(&["target", "wanted", "measured", "met"]);
        let mut target = |name: String, wanted: &str, found: f64, met: bool| {
            let met = if met { "yes" } else { "**no**" };
            targets.row([name, wanted.into(), digits(found), met.into()]);
        };
        let rate = of(CaughtUp::rate).map_or(f64::NAN, |spread| spread.median);
        target("documents a second".into(), "at least 20000", rate, rate >= 20_000.0);
        let grown = of(|run| run.resident_between(0.8, 1.0) / run.resident_between(0.0, 0.2));
        let grown = grown.map_or(f64::NAN, |spread| spread.max);
        target("memory, last fifth by first".into(), "at most 1.1", grown, grown <= 1.1);
        for beside in &self.uploads {
            let by = beside.slower();
            let name =
                format!("an upload beside the backlog by one alone, mongod {}", beside.place());
            target(name, "at most 1.1", by, by <= 1.1);
        }
        report.table("Targets", &targets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_looked_at_by_how_far_the_backlog_is() {
        let resident = vec![(0, 5), (10, 9), (50, 20), (81, 7), (100, 8)];
        let (node_cpu_s, mongod_cpu_s) = (0.1, 0.2);
        let run = CaughtUp { documents: 100, seconds: 2.0, node_cpu_s, mongod_cpu_s, resident };
        let check = |from, to, wanted: u64| {
            let found = run.resident_between(from, to);
            assert!((found - wanted as f64).abs() < 0.5, "{found} and not {wanted}");
        };
        check(0.0, 0.2, 9);
        check(0.8, 1.0, 8);
        assert!((run.rate() - 50.0).abs() < 1e-9);
    }
}
