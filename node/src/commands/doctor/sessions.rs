//! Sessions of the data folder: what waits, and whether what was sealed can be read at all.

use std::collections::HashSet;

use lucid_core::{SessionId, counted};
use lucid_store::{Recovery, SessionFilter, SessionRow, State, Store, StoreError};

use super::{Line, folder::text};

/// Sessions that are named where there are more.
const NAMED_MAX: usize = 3;

fn named(ids: &[String]) -> String {
    let more = if ids.len() > NAMED_MAX { ", …" } else { "" };
    format!("{}{more}", ids[..ids.len().min(NAMED_MAX)].join(", "))
}

/// Sessions that are open, and those that a start found damaged.
pub(super) fn open(store: &Store, recovery: &Recovery) -> Line {
    let check = "sessions";
    if !recovery.damaged.is_empty() {
        let of = |(session, why): &(_, String)| format!("session {session} is damaged: {why}");
        let found: Vec<_> = recovery.damaged.iter().map(of).collect();
        let remedy = "put its files back from a backup, or give it up with: lucid-node void ID";
        return Line::fail(check, found.join("; "), remedy);
    }
    let filter = SessionFilter { state: Some(State::Open), ..SessionFilter::default() };
    match store.sessions(&filter, None, usize::MAX) {
        Err(error) => {
            Line::fail(check, text(&error), "make the database anew: lucid-node ledger rebuild")
        }
        Ok(open) if open.is_empty() => Line::ok(check, "none is open"),
        Ok(open) => {
            let wrong = |row: &SessionRow| store.vault().check_key(row.session).err();
            let wrong: Vec<_> = open.iter().filter_map(wrong).map(|error| text(&error)).collect();
            if !wrong.is_empty() {
                let remedy =
                    "put keys/ back from a backup, or give the session up with: lucid-node void ID";
                return Line::fail(
                    check,
                    format!("nobody could read what is open: {}", named(&wrong)),
                    remedy,
                );
            }
            let ids: Vec<_> = open.iter().map(|row| row.session.to_string()).collect();
            let found = format!("{} open, and nobody is recording: {}", ids.len(), named(&ids));
            let remedy = "go on with: lucid-node ingest PATH --resume ID, close as incomplete with: \
                          lucid-node seal ID, or give up with: lucid-node void ID";
            Line::warn(check, found, remedy)
        }
    }
}

/// Whether the sealed sessions have their key files and their chunks' folders. Two folders are read for it, whatever they
/// hold: what is in the files, `verify` looks at.
pub(super) fn sealed(store: &Store, is_restored: bool) -> Line {
    let check = "sealed sessions";
    let There { sealed, keys, chunks } = match look(store) {
        Ok(found) => found,
        Err(error) => return Line::fail(check, text(&error), "see to the disk"),
    };
    let lacking = |there: &HashSet<SessionId>, needs: fn(&Sealed) -> bool| -> Vec<String> {
        let lacks = |session: &&Sealed| needs(session) && !there.contains(&session.id);
        sealed.iter().filter(lacks).map(|session| session.id.to_string()).collect()
    };
    let (keyless, chunkless) = (lacking(&keys, |_| true), lacking(&chunks, |it| it.has_chunks));
    if keyless.is_empty() && chunkless.is_empty() {
        let found = format!(
            "{} with key files and chunks; whether all is whole: lucid-node verify --all",
            counted(sealed.len(), "session")
        );
        return Line::ok(check, found);
    }
    let told = |ids: &[String], what: &str| {
        (!ids.is_empty()).then(|| format!("{} without {what}: {}", ids.len(), named(ids)))
    };
    let found = [told(&keyless, "a key file, which nobody can read"), told(&chunkless, "chunks")];
    let found = format!(
        "of {}, {}",
        sealed.len(),
        found.into_iter().flatten().collect::<Vec<_>>().join("; ")
    );
    let chunks_alone = keyless.is_empty();
    let remedy = match chunks_alone {
        true => "get them back with: lucid-node chunks import, or put chunks/ back from a backup",
        false => {
            "put keys/ back from a backup; what of chunks is missing says: lucid-node verify --all"
        }
    };
    // A backup is restored without them.
    if is_restored && chunks_alone {
        Line::warn(check, found, remedy)
    } else {
        Line::fail(check, found, remedy)
    }
}

struct Sealed {
    id: SessionId,
    has_chunks: bool,
}

/// What is there of them.
struct There {
    sealed: Vec<Sealed>,
    /// Sessions that have a key file.
    keys: HashSet<SessionId>,
    /// Sessions that have a folder of chunks.
    chunks: HashSet<SessionId>,
}

fn look(store: &Store) -> Result<There, StoreError> {
    let filter = SessionFilter { state: Some(State::Sealed), ..SessionFilter::default() };
    let rows = store.sessions(&filter, None, usize::MAX)?;
    let sealed = rows.into_iter().map(|row| {
        let has_chunks = row.sealed.as_ref().is_none_or(|sealed| sealed.chunk_count > 0);
        Sealed { id: row.session, has_chunks }
    });
    let local = store.local()?;
    Ok(There {
        sealed: sealed.collect(),
        keys: local.keys().list()?.collect::<Result<_, _>>()?,
        chunks: local.chunks().sessions()?.collect(),
    })
}
