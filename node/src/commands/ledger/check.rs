//! `ledger check`: everything in the log against the signed root, and against an older checkpoint
//! that somebody kept; and the accounts against the log.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};
use lucid_core::{
    Hash, counted,
    merkle::{EMPTY_ROOT, verify_consistency},
    note::Checkpoint,
};
use lucid_store::{
    Disk, StoreError, accounts,
    log::{self, CheckReport, Finding, Remedy},
};
use serde::Serialize;

use super::{Locked, counting, read_changes};
use crate::{
    context::Context,
    failure::{Class, Failure, Outcome},
    output::table,
};

/// Arguments of `ledger check`.
#[derive(Args, Debug)]
pub struct Check {
    /// Prove that the log goes on from this older checkpoint of it: a copy that you kept elsewhere
    #[arg(long, value_name = "CHECKPOINT_FILE", value_hint = ValueHint::FilePath)]
    against: Option<PathBuf>,
}

#[derive(Serialize)]
struct Checked {
    sound: bool,
    /// As the checkpoint has it; absent where there is none that this node signed.
    log_size: Option<u64>,
    root: Option<Hash>,
    /// Entries that were read and are right in themselves.
    entries: u64,
    findings: Vec<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Against>,
}

#[derive(Serialize)]
struct Found {
    kind: &'static str,
    finding: String,
    remedy: &'static str,
}

/// What became of an older checkpoint.
#[derive(Serialize)]
struct Against {
    log_size: u64,
    root: Hash,
    consistent: bool,
    /// RFC 6962 §2.1.2, from its size to the log's.
    proof: Vec<Hash>,
    /// Why it is not consistent.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        let kind = match finding {
            Finding::Damage(_) => "damage",
            Finding::Tile(_) => "tile",
            Finding::Unfinished(_) => "unfinished",
            Finding::Stray(_) => "stray",
        };
        let remedy = match finding.remedy() {
            Remedy::Restore => {
                "put the file back from a backup or an export, and keep the damaged one as evidence"
            }
            Remedy::RebuildTiles => "run: lucid-node ledger rebuild",
            Remedy::Open => "none is needed: the next start repairs it",
            Remedy::None => "none is needed",
        };
        Self { kind, finding: finding.to_string(), remedy }
    }
}

impl Check {
    pub(super) fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let locked = Locked::open(context)?;
        let older = self.older(&locked)?;
        let mut progress = counting(context, "entries");
        let key = locked.secrets.log_key().verifier_key();
        let report = log::check(&locked.log_folder(), key, &mut progress);
        drop(progress);
        let accounts = altered_accounts(&locked)?;
        let against = older.map(|older| compare(&locked, &older, &report));
        let consistent = against.as_ref().is_none_or(|against| against.consistent);
        let checked = Checked {
            sound: report.is_sound() && consistent && accounts.is_none(),
            log_size: report.checkpoint.as_ref().map(|it| it.size),
            root: report.checkpoint.as_ref().map(|it| it.root),
            entries: report.entries,
            findings: report.findings.iter().map(Found::from).chain(accounts).collect(),
            against,
        };
        context.output.print(&checked, text)?;
        Ok(if checked.sound { ExitCode::SUCCESS } else { Class::Check.into() })
    }

    /// The older checkpoint, whose signature is this node's.
    fn older(&self, locked: &Locked) -> Outcome<Option<Checkpoint>> {
        let Some(path) = &self.against else { return Ok(None) };
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::io(format!("the checkpoint {} cannot be read: {error}", path.display()))
        })?;
        let key = locked.secrets.log_key().verifier_key();
        let verified = Checkpoint::verify(&text, key).map_err(Failure::from);
        verified.map(Some).map_err(|failure| {
            failure.context(format!("{} is no checkpoint that {key} signed", path.display()))
        })
    }
}

/// Whether the accounts are those that the log's entries make. A log that does not open says so itself.
fn altered_accounts(locked: &Locked) -> Outcome<Option<Found>> {
    let Ok(log) = locked.log() else { return Ok(None) };
    let found = match accounts::check(&locked.accounts_folder(), &Disk::default(), &log, |each| {
        read_changes(&log, each)
    }) {
        // An entry that cannot be read is among the findings already.
        Err(StoreError::Log(_)) => return Ok(None),
        found => found?,
    };
    Ok(found.map(|found| Found {
        kind: "accounts",
        finding: format!("{}: {found}", locked.accounts_folder().display()),
        remedy: "run: lucid-node ledger rebuild; the next start makes them anew from the log, and \
                 everybody signs in again",
    }))
}

/// Proves that the log goes on from `older`, or says why that cannot be.
fn compare(locked: &Locked, older: &Checkpoint, report: &CheckReport) -> Against {
    let (log_size, root) = (older.size, older.root);
    let proof = match &report.checkpoint {
        None => Err("the log has no checkpoint that could be compared".to_owned()),
        Some(now) if older.size > now.size => Err(format!(
            "gone from the log: {} that this node signed for; it has {} now",
            counted(older.size - now.size, "entry"),
            now.size
        )),
        Some(now) => prove(locked, older, now),
    };
    let (proof, reason) = match proof {
        Ok(proof) => (proof, None),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    Against { log_size, root, consistent: reason.is_none(), proof, reason }
}

fn prove(locked: &Locked, older: &Checkpoint, now: &Checkpoint) -> Result<Vec<Hash>, String> {
    let other = "another history was signed for then: the log was replaced, or its key is used \
                 elsewhere";
    if older.size == 0 {
        // Every log goes on from the empty one; there is no proof to give.
        return if older.root == EMPTY_ROOT { Ok(Vec::new()) } else { Err(other.to_owned()) };
    }
    let unproved = |error: anyhow::Error| format!("it cannot be proved: {error:#}");
    let log = locked.log().map_err(|error| unproved(error.into()))?;
    let proof =
        log.consistency_proof(older.size, now.size).map_err(|error| unproved(error.into()))?;
    let proved = verify_consistency(older.size, older.root, now.size, now.root, &proof);
    proved.map(|()| proof).map_err(|_| other.to_owned())
}

fn text(checked: &Checked) -> String {
    let Checked { sound, log_size, root, entries, findings, against } = checked;
    let mut rows = vec![("log", if *sound { "sound" } else { "NOT SOUND" }.to_owned())];
    rows.push(match (log_size, root) {
        (Some(size), Some(root)) => ("signed", format!("{}, root {root}", counted(*size, "entry"))),
        _ => ("signed", "there is no checkpoint of this node".to_owned()),
    });
    rows.push(("read", counted(*entries, "entry")));
    if let Some(Against { log_size, consistent, reason, .. }) = against {
        let text = match reason {
            None => {
                format!(
                    "the log goes on from it: it covers the first {}",
                    counted(*log_size, "entry")
                )
            }
            Some(reason) => format!("{}: {reason}", counted(*log_size, "entry")),
        };
        debug_assert_eq!(*consistent, reason.is_none(), "a reason is given where it is not");
        rows.push(("checkpoint", text));
    }
    let mut text = table(&rows);
    for Found { kind, finding, remedy } in findings {
        text.push_str(&format!("\n{kind}: {finding}\n  what to do: {remedy}\n"));
    }
    text
}
