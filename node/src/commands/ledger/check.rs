//! `ledger check`: everything in the log against the signed root, and against an older checkpoint
//! that somebody kept; the accounts against the log; that parameters are where they belong; and the
//! chain's blocks, by executing them again.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};
use lucid_core::{
    EntryIndex, Hash, counted,
    entry::Entry,
    merkle::{EMPTY_ROOT, verify_consistency},
    note::Checkpoint,
};
use lucid_store::{
    Disk, StoreError, accounts,
    log::{self, CheckReport, Finding, Remedy},
};
use serde::Serialize;

use super::{Locked, blocks, blocks::Replayed, counting, read_changes};
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
    /// Do not execute the chain's blocks again: what they say is then not checked
    #[arg(long)]
    without_blocks: bool,
}

#[derive(Serialize)]
struct Checked {
    sound: bool,
    /// As the checkpoint has it; absent where there is none that this node signed.
    log_size: Option<u64>,
    root: Option<Hash>,
    /// Entries that were read and are right in themselves.
    entries: u64,
    /// What executing the chain's blocks again came to.
    blocks: Replayed,
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
        let parameters = misplaced_parameters(&locked)?;
        let (blocks, wrong) = self.blocks(&locked, &report, context)?;
        let against = older.map(|older| compare(&locked, &older, &report));
        let consistent = against.as_ref().is_none_or(|against| against.consistent);
        let of_others = accounts.is_none() && parameters.is_empty() && wrong.is_none();
        let checked = Checked {
            sound: report.is_sound() && consistent && of_others,
            log_size: report.checkpoint.as_ref().map(|it| it.size),
            root: report.checkpoint.as_ref().map(|it| it.root),
            entries: report.entries,
            blocks,
            findings: report
                .findings
                .iter()
                .map(Found::from)
                .chain(accounts)
                .chain(parameters)
                .chain(wrong)
                .collect(),
            against,
        };
        context.output.print(&checked, text)?;
        Ok(if checked.sound { ExitCode::SUCCESS } else { Class::Check.into() })
    }

    /// Executes the blocks of a sound log again. In one that is not, nothing can be said of them.
    fn blocks(
        &self,
        locked: &Locked,
        report: &CheckReport,
        context: &Context,
    ) -> Outcome<(Replayed, Option<Found>)> {
        if self.without_blocks {
            return Ok((Replayed::skipped("it was asked for without"), None));
        }
        if !report.is_sound() {
            return Ok((Replayed::skipped("the log they are in is not sound"), None));
        }
        let (blocks, wrong) = blocks::check(locked, context)?;
        let found = wrong.map(|finding| Found {
            kind: "block",
            finding,
            remedy: "none: the node signed for a block that does not hold. Keep this folder as evidence, and do \
                     not rely on what the chain says from this block on",
        });
        Ok((blocks, found))
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

/// Findings about parameters that are named; what is wrong once is wrong often.
const PARAMETERS_NAMED: usize = 10;

/// Where the log does not hold what it says of parameters: a `parameters.changed` entry that is not right
/// behind its block, and a session that was opened under others than are in force. Whether the values are
/// those of the chain's state, the chain itself looks at when it is read. A log that does not open says so
/// itself.
fn misplaced_parameters(locked: &Locked) -> Outcome<Vec<Found>> {
    let Ok(log) = locked.log() else { return Ok(Vec::new()) };
    let (mut found, mut in_force, mut before) = (Vec::new(), None, None);
    let all = EntryIndex(0)..EntryIndex(log.size());
    for (index, bytes) in (0_u64..).zip(log.entries(all).map_err(StoreError::from)?) {
        // An entry that cannot be read is among the findings already, and nothing follows it.
        let Ok(Ok(entry)) = bytes.map(|bytes| Entry::parse(&bytes)) else { break };
        let wrong = match &entry {
            Entry::ParametersChanged(changed) => {
                in_force = Some(changed.parameters);
                let wrong = "it is not right behind the block that it names";
                (!changed.follows(before.as_ref())).then_some(wrong)
            }
            Entry::SessionOpened(opened) => {
                let wrong = "the session's policy does not have the parameters in force";
                (opened.policy.parameters() != in_force).then_some(wrong)
            }
            _ => None,
        };
        found.extend(wrong.map(|why| Found {
            kind: "parameters",
            finding: format!("entry {index}: {why}"),
            remedy: "none is known: this is not how a node writes its log; keep it as evidence",
        }));
        if found.len() == PARAMETERS_NAMED {
            break;
        }
        // Only a block's is looked at again.
        before = matches!(entry, Entry::EvmBlock(_)).then_some(entry);
    }
    Ok(found)
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

fn blocks_text(blocks: &Replayed) -> String {
    let Replayed { checked, why_not, blocks, transactions, registered, log_size, .. } = blocks;
    match (why_not, blocks) {
        (Some(why), _) => format!("NOT CHECKED: {why}"),
        (None, 0) if *checked => "the log has none".to_owned(),
        (None, _) => format!(
            "{} executed again, {}; {} registered: those sealed in the first {}",
            counted(*blocks, "block"),
            counted(*transactions, "transaction"),
            counted(*registered, "session"),
            counted(*log_size, "entry")
        ),
    }
}

fn text(checked: &Checked) -> String {
    let Checked { sound, log_size, root, entries, blocks, findings, against } = checked;
    let mut rows = vec![("log", if *sound { "sound" } else { "NOT SOUND" }.to_owned())];
    rows.push(match (log_size, root) {
        (Some(size), Some(root)) => ("signed", format!("{}, root {root}", counted(*size, "entry"))),
        _ => ("signed", "there is no checkpoint of this node".to_owned()),
    });
    rows.push(("read", counted(*entries, "entry")));
    rows.push(("blocks", blocks_text(blocks)));
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
