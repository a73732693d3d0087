//! `anchor`: how long an anchor that is due takes until a TRON node has its transaction; and what building and
//! signing transactions takes.
//!
//! The node is the real program, the TRON node the strict one that the tests use, on this machine: what a network adds
//! to each of the requests is not in it.

mod signing;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use lucid_core::Timestamp;
use lucid_tron_server::{Rules, SUN, Server as Tron};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    http::{
        client::Client,
        server::{Server, Wallet},
    },
    machine::Machine,
    node::clear,
    process,
    report::{Report, Table, digits, spread},
    samples::Spread,
};

/// How often it is looked for what was sent.
const LOOK: Duration = Duration::from_millis(1);
/// Longest that a step may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// A key that everybody knows.
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// Where anchoring is asked about, and for.
const ANCHORS: &str = "/api/v1/anchors/tron";

/// Arguments of `anchor`.
#[derive(Args)]
pub(crate) struct Anchor {
    /// The folder of the node's data, which is removed afterwards: on the disk to measure
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Anchors of each kind
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    anchors: u32,
    /// Transactions that are built and signed, in each round
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    transactions: u32,
    /// Rounds of that
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

#[derive(Serialize)]
struct Measured {
    /// From the request that makes an anchor due to the broadcast that was taken, milliseconds.
    asked_ms: Vec<f64>,
    /// From the time at which the session was sealed that makes one due, milliseconds.
    sealed_ms: Vec<f64>,
    transactions: u32,
    /// Seconds of processor time to build and sign them, each round.
    signing_s: Vec<f64>,
}

impl Anchor {
    /// Measures.
    pub(crate) fn run(&self, node: Option<PathBuf>) -> Result<Report> {
        fs::create_dir_all(&self.folder)?;
        let machine = Machine::here(&self.folder)?;
        let node = process::node(node)?;
        let data = self.folder.join("anchoring");
        clear(&data)?;
        let bench = Bench::start(&node, &self.folder, &data)?;
        let asked_ms = (0..self.anchors).map(|_| bench.asked()).collect::<Result<_>>()?;
        bench.one_session_is_enough()?;
        let sealed_ms = (0..self.anchors).map(|_| bench.sealed()).collect::<Result<_>>()?;
        drop(bench);
        clear(&data)?;
        let signing = |_| signing::seconds(KEY, self.transactions);
        let signing_s = (0..self.rounds).map(signing).collect::<Result<_>>()?;
        let measured = Measured { asked_ms, sealed_ms, transactions: self.transactions, signing_s };
        let mut report = Report::default();
        report.paragraph(&machine);
        report.raw("machine", &machine)?;
        report.raw("anchor", &measured)?;
        measured.tables(&mut report);
        Ok(report)
    }
}

/// A node that anchors, and where it does.
struct Bench {
    tron: Tron,
    client: Client,
    _server: Server,
}

impl Bench {
    fn start(node: &Path, folder: &Path, data: &Path) -> Result<Self> {
        let tron = Tron::start(Rules::default())?;
        let wallet = Wallet::new(node, folder)?;
        let settings = [
            ("LUCID_CHAIN", "true".to_owned()),
            ("LUCID_GOVERNANCE_VOTING_DELAY", "1".to_owned()),
            ("LUCID_GOVERNANCE_VOTING_PERIOD", "2".to_owned()),
            ("LUCID_GOVERNANCE_VOTE_EXTENSION", "1".to_owned()),
            ("LUCID_GOVERNANCE_DELAY", "1".to_owned()),
            ("LUCID_TRON_NETWORK", "custom".to_owned()),
            ("LUCID_TRON_RPC_URL", tron.url()),
            ("LUCID_TRON_PRIVATE_KEY", KEY.to_owned()),
            ("LUCID_TRON_CONTRACT", tron.put_anchors().to_string()),
            ("LUCID_ANCHOR_FEE_PER_DAY_MAX", "10000000000".to_owned()),
        ];
        let (server, _) = Server::start_with(node, data, &wallet, &settings)?;
        let client = Client::sign_in(server.address, node, &wallet)?;
        let state = client.get(ANCHORS)?;
        let account = state["account"].as_str().context("the node has no account")?;
        tron.fund(account.parse()?, 100_000 * SUN);
        Ok(Self { tron, client, _server: server })
    }

    /// An anchor that is asked for: from the request to the broadcast.
    fn asked(&self) -> Result<f64> {
        let before = self.sent();
        self.seal()?;
        Self::until("the session is not seen", || {
            Ok(self.client.get(ANCHORS)?["waiting_sessions"].as_u64() > Some(0))
        })?;
        let begun = Instant::now();
        self.client.post(ANCHORS, &json!({}), 200)?;
        let taken = begun.elapsed();
        Self::until("nothing is sent", || Ok(self.sent() > before))?;
        // What was sent before the answer came was sent by then at the latest.
        let milliseconds = begun.elapsed().max(taken).as_secs_f64() * 1e3;
        self.settle()?;
        Ok(milliseconds)
    }

    /// An anchor that a sealed session makes due: from the time at which it was sealed, by the node's clock, to the
    /// broadcast.
    fn sealed(&self) -> Result<f64> {
        let before = self.sent();
        let sealed = self.seal()?;
        let at: Timestamp = sealed["sealed"]["at"].as_str().context("no time")?.parse()?;
        Self::until("nothing is sent", || Ok(self.sent() > before))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1e3;
        self.settle()?;
        Ok(now - at.unix_millis() as f64)
    }

    /// Seals an empty session.
    fn seal(&self) -> Result<Value> {
        let session = self.client.mint(&json!({}))?;
        self.client.post(&format!("/api/v1/sessions/{session}/seal"), &json!({}), 200)
    }

    /// Transactions that the TRON node took.
    fn sent(&self) -> usize {
        self.tron.journal().entries.len()
    }

    /// Waits until the anchor is in the log, so that the next one is alone.
    fn settle(&self) -> Result<()> {
        Self::until("the anchor does not become final", || {
            let state = self.client.get(ANCHORS)?;
            ensure!(state["error"].is_null(), "anchoring: {}", state["error"]);
            Ok(state["under_way"].is_null() && state["waiting_sessions"] == 0)
        })
    }

    fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !is_so()? {
            ensure!(begun.elapsed() < PATIENCE, "{what} within {PATIENCE:?}");
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Has it decided that each session is anchored at once.
    fn one_session_is_enough(&self) -> Result<()> {
        let path = "/api/v1/governance/proposals";
        let set = json!([{"set_parameter": {"name": "anchor_sessions_max", "value": 1}}]);
        let proposal = json!({"title": "Every session at once", "actions": set});
        let proposed = self.client.post(path, &proposal, 201)?;
        let path = format!("{path}/{}", proposed["proposal"].as_str().context("no proposal")?);
        let until = |state: &str| {
            Self::until(&format!("the proposal is not {state}"), || {
                Ok(self.client.get(&path)?["state"] == state)
            })
        };
        let act = |act: &str, body: &Value| self.client.post(&format!("{path}/{act}"), body, 200);
        until("active")?;
        act("vote", &json!({"support": "for"}))?;
        until("succeeded")?;
        act("queue", &json!({}))?;
        until("queued")?;
        let begun = Instant::now();
        // It is refused until its time has come.
        while let Err(error) = act("execute", &json!({})) {
            ensure!(begun.elapsed() < PATIENCE, "it is not carried out: {error}");
            thread::sleep(Duration::from_millis(100));
        }
        until("executed")
    }
}

impl Measured {
    fn tables(&self, report: &mut Report) {
        let mut table = Table::new(&["from due to sent, ms", "p50", "p90", "worst"]);
        let rows =
            [("asked for", &self.asked_ms), ("by the number of sealed sessions", &self.sealed_ms)];
        for (name, figures) in rows {
            let at = |percent| digits(percentile(figures, percent));
            table.row([name.into(), at(50), at(90), at(100)]);
        }
        let count = self.asked_ms.len();
        report.table(&format!("{count} anchors of each kind, one after the other"), &table);
        let mut table = Table::new(&["what", "measured, median (min to max)"]);
        let signing = Spread::of(self.signing_s.iter().copied());
        let name = format!("building and signing {} transactions, CPU s", self.transactions);
        table.row([name, spread(signing)]);
        report.table("Transactions, on one thread", &table);

        let mut targets = Table::new(&["target", "wanted", "measured", "met"]);
        let mut target = |name: &str, wanted: &str, found: f64, met: bool| {
            let met = if met { "yes" } else { "**no**" };
            targets.row([name.into(), wanted.into(), digits(found), met.into()]);
        };
        for (name, figures) in rows {
            let worst = percentile(figures, 100);
            let name = format!("due to sent, {name}, worst, ms");
            target(&name, "at most 300", worst, worst <= 300.0);
        }
        let each = signing.map_or(f64::NAN, |it| it.median) / f64::from(self.transactions);
        let seconds = each * 10_000.0;
        target("10,000 transactions, CPU s", "below 1", seconds, seconds < 1.0);
        report.table("Targets", &targets);
    }
}

/// The figure that so many per cent do not exceed.
fn percentile(figures: &[f64], percent: usize) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    let place = (figures.len() * percent).div_ceil(100).max(1) - 1;
    figures.get(place).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let check = |percent, wanted: f64| {
            let found = percentile(&[4.0, 1.0, 3.0, 2.0], percent);
            assert!((found - wanted).abs() < 1e-9, "{found} and not {wanted}");
        };
        check(50, 2.0);
        check(90, 4.0);
        check(100, 4.0);
        check(0, 1.0);
        assert!(percentile(&[], 50).is_nan());
    }
}
