//! `http`: the node as a server: uploads beside `ingest`, many idle uploads, answers under load, start.
//!
//! The client shares the machine with the server, as it would on a board at home; what it costs is in
//! the figures.

pub(crate) mod client;
pub(crate) mod server;

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use lucid_core::SessionId;
use serde::Serialize;
use serde_json::json;

use self::{
    client::{Client, Connection},
    server::{Server, Wallet},
};
use crate::{
    inputs::{self, ByteCount, Kind},
    machine::{self, Machine},
    open,
    process::{self, Input, Output},
    report::{Report, Table, digits, mebibytes, spread},
    samples::Spread,
    sealed,
};

/// Chunks of each session in the ledger.
const CHUNKS: u32 = 12;

/// Arguments of `http`.
#[derive(Args)]
pub(crate) struct Http {
    /// The folder of all that is written; best a tmpfs with 4 times the size free, and 2 GiB
    #[arg(value_name = "DIR", default_value = "/dev/shm/lucid-bench-http")]
    folder: PathBuf,
    /// Sessions in the ledger
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(2048..))]
    sessions: u64,
    /// Bytes of an upload
    #[arg(long, default_value = "512MiB")]
    size: ByteCount,
    /// Rounds of uploads, and starts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Uploads that are open and idle at once
    #[arg(long, default_value_t = 1000)]
    idle: u32,
    /// Requests a second while answers are timed
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Seconds for which answers are timed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

#[derive(Serialize, Default)]
struct Measured {
    start_s: Vec<f64>,
    first_idle_bytes: u64,
    idle_mib: Vec<f64>,
    ingest_gb_s: Vec<f64>,
    socket_gb_s: Vec<f64>,
    upload_gb_s: Vec<f64>,
    idle_uploads: u32,
    idle_uploads_bytes: u64,
    rate: u32,
    answers_ms: Vec<f64>,
}

impl Http {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        fs::create_dir_all(&self.folder)?;
        let machine = Machine::here(&self.folder)?;
        let node = process::node(node)?;
        let wallet = Wallet::new(&node, &self.folder)?;
        let data = sealed::ensure(&self.folder, self.sessions, CHUNKS)?;
        let mut measured =
            Measured { idle_uploads: self.idle, rate: self.rate, ..Measured::default() };
        for round in 0..=self.runs {
            let (server, seconds) = Server::start(&node, &data, &wallet)?;
            // What start-up used and freed is given back after a while.
            thread::sleep(Duration::from_secs(2));
            server.wait_until_at_rest()?;
            let bytes = server.resident_bytes()?;
            // The first start made the database from the log.
            match round {
                0 => measured.first_idle_bytes = bytes,
                _ => {
                    measured.start_s.push(seconds);
                    measured.idle_mib.push(mib(bytes));
                }
            }
        }
        let (server, _) = Server::start(&node, &data, &wallet)?;
        let client = Client::sign_in(server.address, &node, &wallet)?;
        measured.answers_ms = self.answers(&client)?;
        measured.idle_uploads_bytes = self.idle_uploads(&server, &client)?;
        drop(server);
        self.uploads(&node, &wallet, &mut measured)?;
        let mut report = Report::default();
        report.paragraph(&machine);
        report.raw("machine", &machine)?;
        report.raw("http", &measured)?;
        measured.tables(&mut report);
        Ok(report)
    }

    /// Times `GET /sessions/{id}` from the moment each was due, so that a stall counts for all that
    /// wait behind it.
    fn answers(&self, client: &Client) -> Result<Vec<f64>> {
        const CONNECTIONS: u32 = 8;
        let total = self.rate * self.seconds;
        let start = Instant::now() + Duration::from_millis(50);
        let times = thread::scope(|scope| {
            let workers: Vec<_> = (0..CONNECTIONS)
                .map(|worker| {
                    scope.spawn(move || -> Result<Vec<f64>> {
                        let mut connection = Connection::open(client)?;
                        let mut times = Vec::new();
                        for number in (worker..total).step_by(CONNECTIONS as usize) {
                            let due = start + Duration::from_secs(1) * number / self.rate;
                            thread::sleep(due.saturating_duration_since(Instant::now()));
                            let place = u64::from(number) * 7919 % self.sessions;
                            let session = open::session(place);
                            let status = connection.get(&format!("/api/v1/sessions/{session}"))?;
                            ensure!(status == 200, "status {status} for session {session}");
                            times.push(due.elapsed().as_secs_f64() * 1e3);
                        }
                        Ok(times)
                    })
                })
                .collect();
            let times = workers.into_iter().map(|worker| worker.join().expect("it does not panic"));
            times.collect::<Result<Vec<_>>>()
        })?;
        Ok(times.concat())
    }

    /// The server's memory while many uploads are open, each of which has sent one byte.
    fn idle_uploads(&self, server: &Server, client: &Client) -> Result<u64> {
        let (mut open, mut sessions) = (Vec::new(), Vec::new());
        for _ in 0..self.idle {
            let session = client.mint(&json!({}))?;
            open.push(Connection::begin_upload(client, &session, 1 << 20, &[0])?);
            sessions.push(session);
        }
        thread::sleep(Duration::from_secs(2));
        let bytes = server.resident_bytes()?;
        ensure!(open.iter_mut().all(Connection::is_open), "the server closed idle uploads");
        // The next run finds the same data folder: a start looks at every session that is open.
        drop(open);
        thread::sleep(Duration::from_secs(2));
        sessions.iter().try_for_each(|session| client.give_up(session))?;
        Ok(bytes)
    }

    /// The same file through `ingest`, through `ingest` from a socket, and through an upload, in turns, each into memory
    /// that is there: until a server is up and somebody has signed in, the host took some of it back.
    fn uploads(&self, node: &Path, wallet: &Wallet, measured: &mut Measured) -> Result<()> {
        let plain = inputs::ensure(&self.folder, Kind::ALL[0], self.size)?;
        for round in 0..=self.runs {
            let rates = [
                self.ingest(node, plain.as_os_str(), || Ok(Input::None))?,
                self.ingest_from_socket(node, &plain)?,
                self.upload(node, wallet, &plain)?,
            ]
            .map(|seconds| self.size.0 as f64 / seconds / 1e9);
            if round > 0 {
                measured.ingest_gb_s.push(rates[0]);
                measured.socket_gb_s.push(rates[1]);
                measured.upload_gb_s.push(rates[2]);
            }
        }
        self.without_data().map(drop)
    }

    /// The folder that is written to, with nothing in it.
    fn without_data(&self) -> Result<PathBuf> {
        let data = self.folder.join("data");
        if data.exists() {
            fs::remove_dir_all(&data).context("cannot remove the data folder")?;
        }
        Ok(data)
    }

    /// Seconds of an `ingest` of PATH.
    fn ingest(
        &self,
        node: &Path,
        path: &OsStr,
        input: impl FnOnce() -> Result<Input>,
    ) -> Result<f64> {
        let data = self.without_data()?;
        let words = ["ingest".as_ref(), path, "--json".as_ref(), "--data".as_ref()];
        let command: Vec<_> =
            [node.as_os_str()].into_iter().chain(words).chain([data.as_os_str()]).collect();
        machine::touch_memory(&self.folder, self.size)?;
        let processors = machine::processors()?;
        let finished = process::run(&command, &[], &processors, input()?, Output::Dropped)?;
        Ok(finished.usage.wall_s)
    }

    /// Seconds of an `ingest` from a socket that the upload's client sends to: what an upload cannot be faster than, with
    /// neither HTTP nor a server in it.
    fn ingest_from_socket(&self, node: &Path, plain: &Path) -> Result<f64> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, file) = (listener.local_addr()?, File::open(plain)?);
        thread::scope(|scope| {
            let mut sender = None;
            let seconds = self.ingest(node, "-".as_ref(), || {
                sender = Some(scope.spawn(|| client::send(&TcpStream::connect(address)?, &file)));
                Ok(Input::From(OwnedFd::from(listener.accept()?.0).into()))
            })?;
            sender.context("nothing was sent")?.join().expect("it does not panic")?;
            Ok(seconds)
        })
    }

    /// Seconds of an upload, to its acknowledgement.
    fn upload(&self, node: &Path, wallet: &Wallet, plain: &Path) -> Result<f64> {
        let (server, _) = Server::start(node, &self.without_data()?, wallet)?;
        let client = Client::sign_in(server.address, node, wallet)?;
        let session: SessionId = client.mint(&json!({}))?.parse()?;
        machine::touch_memory(&self.folder, self.size)?;
        Connection::upload(&client, &session.to_string(), plain)
    }
}

impl Measured {
    fn tables(&self, report: &mut Report) {
        let mut answers = self.answers_ms.clone();
        answers.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            #[expect(clippy::cast_sign_loss, reason = "a share of a count is not negative")]
            let place = (share * answers.len() as f64) as usize;
            answers.get(place.min(answers.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        let mut table = Table::new(&["what", "measured"]);
        let row = |table: &mut Table, what: String, found: String| table.row([what, found]);
        let rates = |rates: &[f64]| spread(Spread::of(rates.iter().copied()));
        row(&mut table, "start to ready, s".into(), rates(&self.start_s));
        row(&mut table, "resident when idle, MiB".into(), rates(&self.idle_mib));
        let first = mebibytes(self.first_idle_bytes as f64);
        row(&mut table, "resident when idle, after making the database, MiB".into(), first);
        row(
            &mut table,
            format!("resident with {} idle uploads, MiB", self.idle_uploads),
            mebibytes(self.idle_uploads_bytes as f64),
        );
        row(&mut table, "ingest from a file, GB/s".into(), rates(&self.ingest_gb_s));
        row(
            &mut table,
            "ingest from a socket over loopback, GB/s".into(),
            rates(&self.socket_gb_s),
        );
        row(&mut table, "tus upload over loopback, GB/s".into(), rates(&self.upload_gb_s));
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("worst", 1.0)] {
            let what = format!("GET a session at {} a second, {name}, ms", self.rate);
            row(&mut table, what, digits(quantile(share)));
        }
        let median =
            |figures: &[f64]| Spread::of(figures.iter().copied()).map_or(f64::NAN, |s| s.median);
        let by = median(&self.upload_gb_s) / median(&self.socket_gb_s);
        row(&mut table, "upload by ingest from a socket".into(), digits(by));
        report.table("The node as a server", &table);

        let mut targets = Table::new(&["target", "wanted", "measured", "met"]);
        let mut target = |name: &str, wanted: String, found: f64, met: bool| {
            let met = if met { "yes" } else { "**no**" };
            targets.row([name.into(), wanted, digits(found), met.into()]);
        };
        let by = median(&self.upload_gb_s) / median(&self.ingest_gb_s);
        target("upload by ingest from a file", "at least 0.7".into(), by, by >= 0.7);
        let idle = mib(self.idle_uploads_bytes);
        target("idle uploads, MiB", "below 200".into(), idle, idle < 200.0);
        let p99 = quantile(0.99);
        target("GET a session, p99, ms", "below 5".into(), p99, p99 < 5.0);
        let start = self.start_s.iter().copied().fold(0.0, f64::max);
        target("start to ready, s, worst", "below 0.3".into(), start, start < 0.3);
        let idle = median(&self.idle_mib);
        target("idle, MiB", "below 40".into(), idle, idle < 40.0);
        report.table("Targets", &targets);
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
