//! `show`: all that is known about one session, without its keys.

use std::process::ExitCode;

use clap::Args;
use lucid_core::{
    EntryIndex, Hash, NodeId, SessionId, counted, entry::SessionOpened, keys::Wrap,
    manifest::Manifest,
};
use lucid_store::{State, Store, StoreError};
use serde::Serialize;

use super::list::Row;
use crate::{
    cli::SessionArg,
    config::Config,
    context::Context,
    failure::{Class, Outcome},
    output::{human_bytes, table},
};

/// Arguments of `show`.
#[derive(Args, Debug)]
pub struct Show {
    #[command(flatten)]
    session: SessionArg,
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: Row,
    policy: PolicyFacts,
    log: LogPlaces,
    /// Who can read it: the ways to its key, none of them with a key.
    wraps: Vec<Keeper>,
    /// Once it is sealed.
    manifest: Option<ManifestFacts>,
    /// While it is open.
    acknowledged: Option<Acknowledged>,
    /// What is missing or damaged.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct PolicyFacts {
    version: u32,
    chunk_bytes: u32,
    zstd_level: u8,
    suite: &'static str,
    /// Plaintext bytes that the session may have, where that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_bytes_max: Option<u64>,
    /// How long it is kept once it is sealed, where that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_seconds: Option<u64>,
    hash: Hash,
}

#[derive(Serialize)]
struct LogPlaces {
    opened: EntryIndex,
    sealed: Option<EntryIndex>,
    /// Voided or erased.
    ended: Option<EntryIndex>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Keeper {
    Kek { kek_id: String },
    Age { recipient: String },
}

#[derive(Serialize)]
struct ManifestFacts {
    complete: bool,
    node_id: NodeId,
    software: String,
    stored_bytes: u64,
    suite: &'static str,
}

#[derive(Serialize)]
struct Acknowledged {
    chunk_count: u32,
    plain_bytes: u64,
    stored_bytes: u64,
}

impl Show {
    /// Shows the session.
    ///
    /// # Errors
    /// Where there is none; the store's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let store = context.look_at_store()?;
        let shown = look(&store, self.session.session)?;
        let sound = shown.problems.is_empty();
        context.output.print(&shown, text)?;
        Ok(if sound { ExitCode::SUCCESS } else { Class::Check.into() })
    }
}

fn look(store: &Store, session: SessionId) -> Outcome<Shown> {
    let row = store.session(session)?;
    let SessionOpened { policy, .. } = store.opened(session)?;
    let state = row.state();
    let mut problems = Vec::new();
    let wraps = match store.local()?.keys().get(session) {
        Ok(file) => file.wraps.into_iter().map(Keeper::from).collect(),
        Err(StoreError::KeyFileMissing { .. }) if row.ended.is_some() => Vec::new(),
        Err(error) => problem(error, &mut problems)?.unwrap_or_default(),
    };
    let manifest = match &row.sealed {
        None => None,
        Some(_) => match store.manifest(session) {
            Ok(file) => Some(ManifestFacts::from(file.manifest)),
            Err(error) => problem(error, &mut problems)?,
        },
    };
    let acknowledged = match state {
        State::Open => match store.totals(session) {
            Ok(totals) => Some(Acknowledged {
                chunk_count: totals.chunk_count,
                plain_bytes: totals.plain_bytes,
                stored_bytes: totals.stored_bytes,
            }),
            Err(error) => problem(error, &mut problems)?,
        },
        _ => None,
    };
    Ok(Shown {
        row: Row::of(&row, store.anchored_size()),
        policy: PolicyFacts {
            version: policy.version(),
            chunk_bytes: policy.chunk_bytes,
            zstd_level: policy.zstd_level,
            suite: Config::suite_name(Some(policy.suite)),
            session_bytes_max: policy.session_bytes_max(),
            retention_seconds: policy.retention_seconds(),
            hash: policy.hash(),
        },
        log: LogPlaces {
            opened: row.opened,
            sealed: row.sealed.map(|sealed| sealed.entry),
            ended: row.ended.map(|(entry, _)| entry),
        },
        wraps,
        manifest,
        acknowledged,
        problems,
    })
}

/// Notes damage, so that the rest is shown; passes other errors on.
fn problem<T>(error: StoreError, problems: &mut Vec<String>) -> Result<Option<T>, StoreError> {
    if error.kind() != lucid_store::ErrorKind::Damaged {
        return Err(error);
    }
    problems.push(format!("{:#}", anyhow::Error::from(error)));
    Ok(None)
}

impl From<Wrap> for Keeper {
    fn from(wrap: Wrap) -> Self {
        match wrap {
            Wrap::Kek { kek_id, .. } => Self::Kek { kek_id },
            Wrap::Age { recipient, .. } => Self::Age { recipient },
        }
    }
}

impl From<Manifest> for ManifestFacts {
    fn from(manifest: Manifest) -> Self {
        let Manifest { complete, node_id, software, stored_bytes, suite, .. } = manifest;
        Self { complete, node_id, software, stored_bytes, suite: Config::suite_name(Some(suite)) }
    }
}

fn text(shown: &Shown) -> String {
    let Shown { row, policy, log, wraps, manifest, acknowledged, problems } = shown;
    let mut rows = vec![
        ("session", row.session_id.to_string()),
        ("state", row.state.to_owned()),
        ("owner", row.owner.to_string()),
        ("type", row.media_type.to_string()),
        ("opened", format!("{}, log entry {}", row.created_at, log.opened)),
    ];
    if let (Some(at), Some(entry)) = (row.sealed_at, log.sealed) {
        rows.push(("sealed", format!("{at}, log entry {entry}")));
    }
    if let (Some(at), Some(entry)) = (row.ended_at, log.ended) {
        rows.push((row.state, format!("{at}, log entry {entry}")));
    }
    if let (Some(chunks), Some(bytes)) = (row.chunk_count, row.plain_bytes) {
        let (human, chunks) = (human_bytes(bytes), counted(chunks, "chunk"));
        rows.push(("size", format!("{} ({human}) in {chunks}", counted(bytes, "byte"))));
    }
    if let Some(manifest) = manifest {
        let complete = if manifest.complete { "yes" } else { "no: closed without its end" };
        let stored = match row.ended_at {
            None => counted(manifest.stored_bytes, "byte"),
            Some(_) => "nothing any more".to_owned(),
        };
        rows.push(("stored", stored));
        rows.push(("complete", complete.to_owned()));
        rows.push(("recorded by", format!("{} at node {}", manifest.software, manifest.node_id)));
    }
    if let Some(Acknowledged { chunk_count, plain_bytes, stored_bytes }) = acknowledged {
        let (bytes, chunks) = (counted(*plain_bytes, "byte"), counted(*chunk_count, "chunk"));
        let text = format!("{bytes} in {chunks}, {stored_bytes} stored");
        rows.push(("acknowledged", text));
    }
    if let (Some(root), Some(hash)) = (row.merkle_root, row.manifest_hash) {
        rows.extend([("root", root.to_string()), ("manifest", hash.to_string())]);
    }
    let PolicyFacts { chunk_bytes, zstd_level, suite, hash, .. } = policy;
    rows.push(("policy", format!("chunks of {chunk_bytes} bytes, zstd {zstd_level}, {suite}")));
    if let Some(max) = policy.session_bytes_max {
        rows.push(("", format!("at most {} in all", counted(max, "byte"))));
    }
    if let Some(seconds) = policy.retention_seconds {
        rows.push(("", format!("erased {} after it is sealed", counted(seconds, "second"))));
    }
    rows.push(("policy hash", hash.to_string()));
    for wrap in wraps {
        rows.push((
            "readable by",
            match wrap {
                Keeper::Kek { kek_id } => format!("master key {kek_id}"),
                Keeper::Age { recipient } => recipient.clone(),
            },
        ));
    }
    if wraps.is_empty() {
        rows.push(("readable by", "nobody: it has no key".to_owned()));
    }
    rows.extend(problems.iter().map(|problem| ("problem", problem.clone())));
    table(&rows)
}
