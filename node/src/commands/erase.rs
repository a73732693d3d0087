//! `erase`: destroys a session's keys and chunks. What it was stays provable.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use clap::Args;
use lucid_core::{EntryIndex, Hash, SessionId, Timestamp, counted};
use lucid_store::{State, StoreError};
use serde::Serialize;

use crate::{
    cli::SessionArg,
    context::{Context, now},
    failure::{Failure, Outcome},
    output::{in_one_line, table},
};

/// Arguments of `erase`.
#[derive(Args, Debug)]
pub struct Erase {
    #[command(flatten)]
    session: SessionArg,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Serialize)]
struct Erased {
    session_id: SessionId,
    state: &'static str,
    #[serde(rename = "erased_at")]
    at: Option<Timestamp>,
    log_index: Option<EntryIndex>,
    destroyed: Destroyed,
    /// What the chunks' folder, where it was a link, led to: only the link is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_destroyed: Option<String>,
    kept: Kept,
}

/// What was destroyed.
#[derive(Serialize)]
struct Destroyed {
    /// Ways to the session's key; 0 where an earlier erasure took them.
    wraps: usize,
    /// Chunk files that were there.
    chunk_count: u32,
    /// Bytes that nobody can read any more, by the manifest; 0 where they were erased before.
    plain_bytes: u64,
}

/// What still proves that the session was there.
#[derive(Serialize)]
struct Kept {
    merkle_root: Hash,
    manifest_hash: Hash,
    sealed_index: EntryIndex,
}

impl Erase {
    /// Asks, and erases the session.
    ///
    /// # Errors
    /// Where there is none, it is not sealed, or the answer is no; the store's.
    pub fn run(&self, context: &Context) -> Outcome<ExitCode> {
        let session = self.session.session;
        let store = context.open_store()?;
        let row = store.session(session)?;
        let (Some(sealed), State::Sealed | State::Erased) = (row.sealed, row.state()) else {
            let wanted = "only a sealed session can be erased (an open one: lucid-node void)";
            return Err(StoreError::State { session, state: row.state(), wanted }.into());
        };
        let question = format!(
            "Erase session {session}, {} of {}? Nobody can bring it back.",
            counted(sealed.plain_bytes, "byte"),
            row.owner
        );
        confirm(&question, self.yes)?;
        let before = row.state() == State::Erased;
        let vault = store.local()?;
        let wraps = vault.keys().get(session).map_or(0, |file| file.wraps.len());
        let (chunk_count, link) = (vault.chunks().count(session), vault.chunks().link(session));
        store.erase(session, now())?;
        let ended = store.session(session)?.ended;
        let erased = Erased {
            session_id: session,
            state: State::Erased.as_str(),
            at: ended.map(|(_, at)| at),
            log_index: ended.map(|(entry, _)| entry),
            destroyed: Destroyed {
                wraps,
                // What cannot be counted is erased all the same, or said to be left.
                chunk_count: chunk_count?,
                plain_bytes: if before { 0 } else { sealed.plain_bytes },
            },
            not_destroyed: link.map(|link| link.display().to_string()),
            kept: Kept {
                merkle_root: sealed.merkle_root,
                manifest_hash: sealed.manifest_hash,
                sealed_index: sealed.entry,
            },
        };
        context.output.print(&erased, text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn text(erased: &Erased) -> String {
    let Erased { session_id, destroyed, not_destroyed, kept, .. } = erased;
    let Destroyed { wraps, chunk_count, plain_bytes } = destroyed;
    let mut rows = vec![
        ("erased", session_id.to_string()),
        (
            "destroyed",
            format!(
                "its key ({}) and {}, {}",
                counted(*wraps, "wrap"),
                counted(*chunk_count, "chunk"),
                counted(*plain_bytes, "byte")
            ),
        ),
        ("kept", format!("manifest {}", kept.manifest_hash)),
        ("", format!("root {}, log entry {}", kept.merkle_root, kept.sealed_index)),
        (
            "not reached",
            "backups of this folder, and keys and recordings given out before".to_owned(),
        ),
    ];
    if let Some(link) = not_destroyed {
        let link = in_one_line(link);
        let left = format!("{link}, which the chunks' folder was a link to; it cannot be read");
        rows.push(("not destroyed", left));
    }
    table(&rows)
}

/// Goes on with something that cannot be undone only where the user says so.
///
/// # Errors
/// Where there is nobody to ask, or the answer is no.
pub(super) fn confirm(question: &str, yes: bool) -> Outcome {
    if yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage("this cannot be undone, and here is nobody to ask: give --yes"));
    }
    write!(io::stderr(), "{question}\nType yes to go on: ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::check("nothing was changed"))
}
