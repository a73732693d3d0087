//! Checks one session of the data folder: its chunk files against its manifest, the manifest against
//! the ledger's entry, the entry against the checkpoint, and the index against them all.

use std::{path::Path, time::Instant};

use lucid_core::{
    Hash, SessionId, counted,
    entry::{Entry, SessionOpened, SessionSealed},
    manifest::{Manifest, ManifestChunk},
    merkle,
};
use lucid_pipeline::verify::{self, VerifyContext};
use lucid_store::{SessionRow, State, Store, StoreError};
use serde::Serialize;

use crate::{
    context::Context,
    failure::{Class, Failure, Outcome},
    output::{human_rate, table},
    ports::SessionPort,
    progress::Unit,
};

/// What was found of one session.
#[derive(Serialize, Debug)]
pub struct Report {
    /// The session.
    pub session_id: SessionId,
    /// Its state: open, sealed, voided or erased.
    pub state: &'static str,
    /// Whether everything that should be there is there and right.
    pub verified: bool,
    /// Number of chunks checked.
    pub chunk_count: usize,
    /// Their plaintext bytes.
    pub plain_bytes: u64,
    /// Root of the session tree over the files as they are.
    pub merkle_root: Option<Hash>,
    /// Place of the `session.sealed` entry in the log.
    pub log_index: Option<u64>,
    /// Entries in the log.
    pub log_size: u64,
    /// Whether the session had its owner's end mark; known once it is sealed.
    pub complete: Option<bool>,
    /// Whether every segment was opened too.
    pub decrypted: bool,
    /// What is wrong, and where.
    pub findings: Vec<String>,
    /// What is in the session's chunk folder and is none of its chunks. Nothing of the session rests on
    /// that, so it stays verified.
    pub notices: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// Checks a session. `decrypt` opens every segment too; without it no key is needed, but where the
/// node has one, a damaged chunk's segment is named.
///
/// # Errors
/// Where the check itself could not be made; what is wrong with the session is in the report.
pub fn verify(
    context: &Context,
    store: &Store,
    session: SessionId,
    decrypt: bool,
    identity: Option<&Path>,
) -> Outcome<Report> {
    let started = Instant::now();
    let row = store.session(session)?;
    let log_size = store.with_log(|log| Ok(log.size()))?;
    let mut report = Report {
        session_id: session,
        state: row.state().as_str(),
        verified: false,
        chunk_count: 0,
        plain_bytes: 0,
        merkle_root: None,
        log_index: row.sealed.as_ref().map(|sealed| sealed.entry.0),
        log_size,
        complete: None,
        decrypted: decrypt,
        findings: Vec::new(),
        notices: Vec::new(),
        seconds: 0.0,
    };
    match row.state() {
        State::Voided => {}
        State::Open => check_open(context, store, &row, decrypt, identity, &mut report)?,
        State::Sealed | State::Erased => {
            check_sealed(context, store, &row, decrypt, identity, &mut report)?;
        }
    }
    look_for_strays(store, &row, &mut report)?;
    report.verified = report.findings.is_empty();
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Names in the chunk folder that are told one by one.
const STRAYS_NAMED: usize = 20;

/// Names what is in the chunk folder besides the chunks that the ledger's entry, or for an open session
/// the index, counts.
fn look_for_strays(store: &Store, row: &SessionRow, report: &mut Report) -> Outcome {
    let chunks = match (row.state(), &row.sealed) {
        (State::Sealed, Some(sealed)) => sealed.chunk_count,
        // Which chunks it has is not known where its index is damaged.
        (State::Open, _) if !report.findings.is_empty() => return Ok(()),
        (State::Open, _) => u32::try_from(report.chunk_count).unwrap_or(u32::MAX),
        _ => 0,
    };
    let strays = store.local()?.chunks().strays(row.session, chunks)?;
    for name in strays.iter().take(STRAYS_NAMED).map(|name| name.to_string_lossy()) {
        // Anybody may have given it: quoted, and what steers a terminal escaped.
        report.notices.push(format!("chunk folder: {name:?} is no chunk of it"));
    }
    if let Some(more @ 1..) = strays.len().checked_sub(STRAYS_NAMED) {
        report.notices.push(format!("chunk folder: {more} more that are no chunk of it"));
    }
    Ok(())
}

/// An error about what is stored, or that it is missing, becomes a finding; the disk's own errors
/// stay errors.
fn found<T>(result: Result<T, StoreError>, findings: &mut Vec<String>) -> Outcome<Option<T>> {
    let missing = matches!(
        &result,
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound
    );
    match result.map_err(Failure::from) {
        Ok(value) => Ok(Some(value)),
        Err(Failure { class, error }) if class == Class::Check || missing => {
            findings.push(format!("{error:#}"));
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn check_sealed(
    context: &Context,
    store: &Store,
    row: &SessionRow,
    decrypt: bool,
    identity: Option<&Path>,
    report: &mut Report,
) -> Outcome {
    let session = row.session;
    let entry = check_entry(store, row, &mut report.findings)?;
    let manifest = found(store.manifest(session), &mut report.findings)?;
    let Some(manifest) = manifest.map(|file| file.manifest) else { return Ok(()) };
    if let Some(Err(field)) = entry.as_ref().map(|entry| manifest.check_against(entry)) {
        report.findings.push(format!("manifest: {field} is not what the ledger says"));
    }
    if manifest.node_id != store.node_id() {
        report.findings.push("manifest: node_id is not this node's".into());
    }
    if let Some(opened) = found(store.opened(session), &mut report.findings)? {
        check_opened(&manifest, &opened, &mut report.findings);
    }
    check_index(store, &manifest, &mut report.findings)?;
    report.complete = Some(manifest.complete);
    report.merkle_root = Some(manifest.merkle_root);
    if row.state() == State::Erased {
        // Its keys and chunks are gone as they should be; only its history is checked.
        return Ok(());
    }
    report.chunk_count = manifest.chunks.len();
    report.plain_bytes = manifest.plain_bytes;
    check_key_file(store, session, &mut report.findings)?;
    let root = manifest.merkle_root;
    check_chunks(
        context,
        store,
        &manifest.chunks,
        &Job { session, suite: manifest.suite, root, decrypt, identity },
        report,
    )
}

/// A session whose key is gone cannot be read any more, however whole its chunks are.
///
/// # Errors
/// The disk's.
fn check_key_file(store: &Store, session: SessionId, findings: &mut Vec<String>) -> Outcome {
    found(store.vault().check_key(session), findings).map(drop)
}

/// The manifest repeats what session.opened said, and keeps to its policy.
fn check_opened(manifest: &Manifest, opened: &SessionOpened, findings: &mut Vec<String>) {
    let policy = &opened.policy;
    let fits = |chunk: &ManifestChunk| chunk.plain_bytes <= policy.chunk_bytes;
    let same = [
        ("owner", manifest.owner == opened.owner),
        ("media_type", manifest.media_type == opened.media_type),
        ("created_at", manifest.created_at == opened.at),
        ("policy_hash", manifest.policy_hash == policy.hash()),
        ("suite", manifest.suite == policy.suite),
        ("chunks", manifest.chunks.iter().all(fits)),
    ];
    let wrong = same.iter().filter(|(_, same)| !same);
    findings.extend(
        wrong.map(|(field, _)| format!("manifest: {field} is not as session.opened has it")),
    );
}

/// The session.sealed entry, checked against the checkpoint.
fn check_entry(
    store: &Store,
    row: &SessionRow,
    findings: &mut Vec<String>,
) -> Outcome<Option<SessionSealed>> {
    let Some(sealed) = &row.sealed else { return Ok(None) };
    let read =
        store.with_log(|log| Ok((log.entry(sealed.entry)?, log.witnessed_proof(sealed.entry)?)));
    let Some((bytes, proof)) = found(read, findings)? else { return Ok(None) };
    let key = store.log_key().verifier_key();
    if let Err(error) = proof.verify(merkle::leaf_hash(&bytes), key) {
        findings.push(format!("entry {}: not in the log: {error}", sealed.entry));
    }
    match Entry::parse(&bytes).and_then(Entry::of_this_version) {
        Ok(Entry::SessionSealed(entry)) if entry.session_id == row.session => Ok(Some(entry)),
        Ok(other) => {
            findings.push(format!(
                "entry {}: it is a {} of another session",
                sealed.entry,
                other.kind()
            ));
            Ok(None)
        }
        Err(error) => {
            findings.push(format!("entry {}: {error}", sealed.entry));
            Ok(None)
        }
    }
}

/// The index must list what the manifest lists; proofs are made from it.
fn check_index(store: &Store, manifest: &Manifest, findings: &mut Vec<String>) -> Outcome {
    let mut leaves = Vec::with_capacity(manifest.chunks.len());
    let Some(index) = found(store.index(manifest.session_id), findings)? else { return Ok(()) };
    for (place, chunk) in index.enumerate() {
        let Some(chunk) = found(chunk, findings)? else { return Ok(()) };
        if manifest.chunks.get(place) != Some(&ManifestChunk::from(&chunk)) {
            findings.push(format!("index: record {place} is not as the manifest lists it"));
            return Ok(());
        }
        leaves.push(chunk.session_leaf());
    }
    if leaves.len() != manifest.chunks.len() {
        let (have, listed) = (leaves.len(), manifest.chunks.len());
        let (have, listed) = (counted(have, "record"), counted(listed, "chunk"));
        findings.push(format!("index: it has {have}, the manifest lists {listed}"));
    } else if merkle::root(&leaves) != manifest.merkle_root {
        findings.push("index: its records do not hash to the session's root".into());
    }
    Ok(())
}

fn check_open(
    context: &Context,
    store: &Store,
    row: &SessionRow,
    decrypt: bool,
    identity: Option<&Path>,
    report: &mut Report,
) -> Outcome {
    let Some(index) = found(store.index(row.session), &mut report.findings)? else {
        return Ok(());
    };
    let mut chunks = Vec::new();
    let mut leaves = Vec::new();
    for chunk in index {
        let Some(chunk) = found(chunk, &mut report.findings)? else { return Ok(()) };
        chunks.push(ManifestChunk::from(&chunk));
        leaves.push(chunk.session_leaf());
    }
    check_key_file(store, row.session, &mut report.findings)?;
    report.chunk_count = chunks.len();
    report.plain_bytes = chunks.iter().map(|chunk| u64::from(chunk.plain_bytes)).sum();
    let suite = store.opened(row.session)?.policy.suite;
    let root = merkle::root(&leaves);
    check_chunks(
        context,
        store,
        &chunks,
        &Job { session: row.session, suite, root, decrypt, identity },
        report,
    )
}

struct Job<'a> {
    session: SessionId,
    suite: lucid_core::chunk::Suite,
    root: Hash,
    decrypt: bool,
    identity: Option<&'a Path>,
}

fn check_chunks(
    context: &Context,
    store: &Store,
    chunks: &[ManifestChunk],
    job: &Job<'_>,
    report: &mut Report,
) -> Outcome {
    let Job { session, suite, root, decrypt, identity } = *job;
    let dek = match context.session_key(store, session, identity) {
        Ok(dek) => Some(dek),
        // Without `--decrypt` the key only serves to name a damaged segment.
        Err(failure) if decrypt => return Err(failure),
        Err(_) => None,
    };
    let progress = context.progress("verified", Unit::Bytes, Some(report.plain_bytes));
    let port = SessionPort { store, session };
    let verify_context = VerifyContext { session, suite, dek: dek.as_ref(), decrypt };
    let verified = context
        .with_control(&progress, |control| verify::verify(&verify_context, &port, chunks, control));
    if verified.cancelled {
        return Err(Failure::io("interrupted"));
    }
    report.findings.extend(verified.findings.iter().map(ToString::to_string));
    report.merkle_root = verified.merkle_root;
    if verified.findings.is_empty() && verified.merkle_root != Some(root) {
        let found = verified.merkle_root.unwrap_or(merkle::EMPTY_ROOT);
        report.findings.push(format!(
            "root mismatch: the chunk files hash to {found}, recorded is {root}; the salt or \
             commitment of a chunk was altered"
        ));
    }
    Ok(())
}

impl Report {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let rate = human_rate(self.plain_bytes, self.seconds);
        let state = match (self.verified, self.state) {
            (false, _) => "NOT VERIFIED",
            (true, "erased") => "verified: its history; its chunks and keys are gone",
            (true, "voided") => "voided: there is nothing to verify",
            (true, _) => "verified",
        };
        let mut rows = vec![
            ("session", format!("{} ({})", self.session_id, self.state)),
            ("result", state.to_owned()),
            (
                "checked",
                format!(
                    "{} in {}, {:.2} s, {rate}{}",
                    counted(self.plain_bytes, "byte"),
                    counted(self.chunk_count, "chunk"),
                    self.seconds,
                    if self.decrypted { ", decrypted" } else { "" },
                ),
            ),
        ];
        rows.extend(self.complete.map(|complete| {
            let text = if complete { "yes" } else { "NO: closed without its owner's end mark" };
            ("complete", text.to_owned())
        }));
        rows.extend(self.merkle_root.map(|root| ("root", root.to_string())));
        rows.extend(self.log_index.map(|at| ("log", format!("entry {at} of {}", self.log_size))));
        rows.extend(self.findings.iter().map(|finding| ("finding", finding.clone())));
        rows.extend(self.notices.iter().map(|notice| ("notice", notice.clone())));
        table(&rows)
    }
}
