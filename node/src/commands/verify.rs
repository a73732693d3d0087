//! `verify`: checks a session, every session, or an evidence file.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;
use lucid_core::{
    SessionId, counted,
    note::VerifierKey,
    tron::{
        Address,
        anchor::{AnchorPins, Genesis},
    },
};
use lucid_store::{SessionFilter, State, Store};
use serde::Serialize;

use super::{online::Online, verify_evidence, verify_session};
use crate::{
    context::Context,
    failure::{Class, Failure, Outcome},
};

/// Arguments of `verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// A session's id, or an evidence file (.lucid-proof or .tlog-proof)
    #[arg(value_name = "ID|FILE", required_unless_present = "all")]
    target: Option<String>,
    /// Check every session of the data folder
    #[arg(long, conflicts_with = "target")]
    all: bool,
    /// Open every segment too: needs the session's key
    #[arg(long)]
    decrypt: bool,
    /// An age identity file, for sessions whose key is wrapped to an age recipient
    #[arg(long, value_name = "FILE", requires = "decrypt")]
    identity: Option<PathBuf>,
    /// For a file: the node's log key as you know it (lucid-node ledger head prints it)
    #[arg(long, value_name = "VKEY")]
    key: Option<VerifierKey>,
    /// For a file: the key of a witness that must have cosigned its checkpoint, as the witness itself tells it; repeatable
    #[arg(long, value_name = "VKEY")]
    witness: Vec<VerifierKey>,
    /// For a file: how many of these witnesses are enough [default: all]
    #[arg(long, value_name = "N", requires = "witness", value_parser = at_least_one)]
    witness_quorum: Option<usize>,
    /// For an evidence file: a chunk file it speaks of, checked against it; repeatable
    #[arg(long, value_name = "FILE")]
    chunk_file: Vec<PathBuf>,
    /// For an evidence file: write the plaintext of the chunks whose keys it discloses
    #[arg(long, value_name = "FILE")]
    extract: Option<PathBuf>,
    /// For an evidence file: the TRON account that must have anchored it
    #[arg(long, value_name = "ADDRESS")]
    anchor_address: Option<Address>,
    /// For an evidence file: the contract on TRON that the anchor must be a call of
    #[arg(long, value_name = "ADDRESS")]
    anchor_contract: Option<Address>,
    /// For an evidence file: the TRON network of its anchor: mainnet, shasta, nile, or the id of the
    /// network's block 0
    #[arg(long, value_name = "NAME|ID")]
    network: Option<Genesis>,
    /// For an evidence file: ask the configured TRON node (tron_network, tron_rpc_url) whether it has the anchor
    #[arg(long)]
    online: bool,
}

/// What was found of several sessions.
#[derive(Serialize)]
struct All {
    verified: bool,
    sessions: Vec<verify_session::Report>,
    seconds: f64,
}

impl Verify {
    /// Checks the target and prints what was found; exit code 1 where something is wrong.
    ///
    /// # Errors
    /// Where the check could not be made.
    pub fn run(self, context: &Context) -> Outcome<ExitCode> {
        let Some(target) = self.target.clone() else { return self.run_all(context) };
        if let Ok(session) = target.parse::<SessionId>() {
            self.only_for_files()?;
            context.catch_signals()?;
            let store = context.look_at_store()?;
            let report = self.session(context, &store, session)?;
            context.output.print(&report, verify_session::Report::text)?;
            return Ok(code(report.verified));
        }
        if self.decrypt {
            return Err(Failure::usage("--decrypt is for sessions; a file uses --extract"));
        }
        let request = verify_evidence::Request {
            path: PathBuf::from(target),
            key: self.key,
            witnesses: self.witness,
            witness_quorum: self.witness_quorum,
            chunk_files: self.chunk_file,
            extract: self.extract,
            anchor: AnchorPins {
                address: self.anchor_address,
                contract: self.anchor_contract,
                network: self.network,
            },
            online: self.online.then(|| Online::new(context)).transpose()?,
        };
        let report = verify_evidence::verify(&request)?;
        context.output.print(&report, verify_evidence::Report::text)?;
        Ok(code(true))
    }

    fn only_for_files(&self) -> Outcome {
        let of_file = [self.key.is_some(), self.extract.is_some()];
        let lists = [self.chunk_file.is_empty(), self.witness.is_empty()];
        if of_file.contains(&true) || lists.contains(&false) {
            return Err(Failure::usage(
                "--key, --witness, --chunk-file and --extract are for evidence files",
            ));
        }
        let of_anchor = [self.anchor_address.is_some(), self.anchor_contract.is_some()];
        if of_anchor.contains(&true) || self.network.is_some() || self.online {
            return Err(Failure::usage(
                "--anchor-address, --anchor-contract, --network and --online are for evidence files",
            ));
        }
        Ok(())
    }

    fn run_all(self, context: &Context) -> Outcome<ExitCode> {
        self.only_for_files()?;
        context.catch_signals()?;
        let started = Instant::now();
        let store = context.look_at_store()?;
        let mut sessions = Vec::new();
        let mut after = None;
        loop {
            let page = store.sessions(&SessionFilter::default(), after, 256)?;
            let Some(last) = page.last() else { break };
            after = Some(last.session);
            for row in page {
                let ended = matches!(row.state(), State::Voided | State::Erased);
                let decrypt = self.decrypt && !ended;
                let identity = self.identity.as_deref();
                let session = row.session;
                let report = verify_session::verify(context, &store, session, decrypt, identity)?;
                sessions.push(report);
            }
        }
        let verified = sessions.iter().all(|report| report.verified);
        let all = All { verified, sessions, seconds: started.elapsed().as_secs_f64() };
        context.output.print(&all, |all| {
            let texts: String = all.sessions.iter().map(verify_session::Report::text).collect();
            let bad = all.sessions.iter().filter(|report| !report.verified).count();
            let noticed = all.sessions.iter().filter(|report| !report.notices.is_empty()).count();
            let noticed =
                if noticed > 0 { format!(", {noticed} with notices") } else { String::new() };
            let checked = counted(all.sessions.len(), "session");
            format!("{texts}{checked} checked, {bad} with findings{noticed}")
        })?;
        Ok(code(verified))
    }

    fn session(
        &self,
        context: &Context,
        store: &Store,
        session: SessionId,
    ) -> Outcome<verify_session::Report> {
        verify_session::verify(context, store, session, self.decrypt, self.identity.as_deref())
    }
}

fn code(verified: bool) -> ExitCode {
    if verified { ExitCode::SUCCESS } else { Class::Check.into() }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "it is a number from 1 on".to_owned())
}
