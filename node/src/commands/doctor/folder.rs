//! The data folder, from the outside in: is it there, whose is it, do its keys fit, does its log
//! stand, and what waits in it.

use std::{
    fmt::Write as _,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use lucid_core::{
    EntryIndex, Timestamp, counted,
    entry::{Entry, UserChanged},
    merkle::TreeHead,
};
use lucid_store::{
    DataFolder, Disk, FolderKind, LogReader, RESTORED, Recovery, Secrets, Store, StoreError,
    accounts,
};

use super::{Line, sessions};
use crate::{
    context::{Context, now},
    policy,
};

/// Changes of accounts that are read at once.
const CHANGES_PAGE: usize = 1024;

/// What the other checks need to know.
#[derive(Default)]
pub(super) struct Examined {
    /// There is a data folder, and it is this user's.
    pub(super) is_ours: bool,
    pub(super) reserve_bytes: Option<u64>,
    pub(super) last_entry: Option<Timestamp>,
}

/// Looks at the data folder, and opens it as a start would where nothing speaks against that.
pub(super) fn examine(context: &Context, lines: &mut Vec<Line>) -> Examined {
    let (path, check) = (&context.config.data, "data folder");
    let mut examined = Examined::default();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let found = format!("there is none at {}", path.display());
            let remedy = format!("make one with: lucid-node init --data {}", path.display());
            lines.push(Line::fail(check, found, remedy));
            return examined;
        }
        Err(error) => {
            let found = format!("{} cannot be looked at: {error}", path.display());
            lines.push(Line::fail(check, found, "run this as the user whose folder it is"));
            return examined;
        }
    };
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user && metadata.is_dir() {
        // What another user writes into it, the node could not write again.
        let found = format!("{} belongs to user {owner}, this is user {user}", path.display());
        let data = path.display();
        let remedy =
            format!("run this as its user: sudo -u '#{owner}' lucid-node doctor --data {data}");
        lines.push(Line::fail(check, found, remedy));
        return examined;
    }
    match DataFolder::open(path, FolderKind::Node) {
        Ok(folder) => {
            examined.is_ours = true;
            lines.push(Line::ok(check, format!("{}, format 1, not in use", path.display())));
            lines.push(modes(path));
            examined.reserve_bytes = folder.reserve_bytes().ok();
            inside(context, folder, lines, &mut examined);
        }
        Err(error @ StoreError::InUse { .. }) => {
            examined.is_ours = true;
            let remedy = "keys, log and sessions were not looked at: stop that process for it";
            lines.push(Line::warn(check, error.to_string(), remedy));
            lines.push(modes(path));
        }
        Err(error) => lines.push(Line::fail(check, text(&error), remedy_for(&error))),
    }
    examined
}

fn remedy_for(error: &StoreError) -> String {
    match error {
        StoreError::NewerFormat { .. } => {
            "use the version of lucid-node that made it, or a later one"
        }
        StoreError::Unfinished { .. } => "finish it: lucid-node init",
        StoreError::PartLost { .. } => {
            "put it back from a backup, before anything else is done with the folder"
        }
        StoreError::Io { .. } => "see to the disk, and to who owns the folder",
        _ => "name the right one with --data, or make one with: lucid-node init --data DIR",
    }
    .to_owned()
}

pub(super) fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a text does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Whether nobody else can look into the folder and read the keys.
fn modes(path: &Path) -> Line {
    let check = "permissions";
    let secrets = path.join("secrets");
    let is_key = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "key");
    let keys = fs::read_dir(&secrets).into_iter().flatten().flatten().map(|entry| entry.path());
    let exposed = |place: PathBuf| {
        let mode = fs::metadata(&place).ok()?.mode() & 0o777;
        (mode & 0o077 != 0).then_some((place, mode))
    };
    let found = |exposed: &[(PathBuf, u32)]| {
        let of = |(place, mode): &(PathBuf, u32)| format!("{} (mode {mode:03o})", place.display());
        let found: Vec<_> = exposed.iter().map(of).collect();
        let places = exposed.iter().map(|(place, _)| place.display().to_string());
        let places: Vec<_> = places.collect();
        let found = format!("others can get at {}", found.join(", "));
        (found, format!("chmod go-rwx {}", places.join(" ")))
    };
    let keys: Vec<_> =
        [secrets.clone()].into_iter().chain(keys.filter(is_key)).filter_map(exposed).collect();
    if !keys.is_empty() {
        let (found, remedy) = found(&keys);
        return Line::fail(check, found, remedy);
    }
    // What else is in the folder is encrypted or public; its own subfolders are private too.
    if let Some(exposed) = exposed(path.to_owned()) {
        let (found, remedy) = found(&[exposed]);
        return Line::warn(check, found, remedy);
    }
    Line::ok(check, "folder and keys are their user's alone")
}

/// Keys and log under the lock, then the whole store, as a start opens it.
fn inside(context: &Context, folder: DataFolder, lines: &mut Vec<Line>, examined: &mut Examined) {
    let secrets = folder.join("secrets");
    if !secrets.join("kek_id").exists() {
        let error = folder.lacks("secrets/kek_id");
        lines.push(Line::fail("keys", text(&error), remedy_for(&error)));
        return;
    }
    let secrets = match Secrets::load(&secrets, context.config.master_key.clone()) {
        Ok(secrets) => secrets,
        Err(error) => {
            let remedy = "put the right key back, from where it was backed up; nothing is lost yet";
            lines.push(Line::fail("keys", text(&error), remedy));
            return;
        }
    };
    lines.push(keys(context, &secrets));
    let log = LogReader::open(&folder.join("log"), secrets.log_key().verifier_key());
    let log = match log {
        Ok(log) => log,
        Err(error) => {
            let remedy = "all that is wrong and what to do says: lucid-node ledger check";
            lines.push(Line::fail("ledger log", text(&error), remedy));
            return;
        }
    };
    let (line, last_entry) = ledger(&log);
    lines.push(line);
    examined.last_entry = last_entry;
    drop(folder);
    let is_restored = context.config.data.join(RESTORED).exists();
    match Store::look_at(&context.config.data, context.open_options()) {
        Err(error) => {
            let remedy = "see to the disk; the database is made anew by: lucid-node ledger rebuild";
            lines.push(Line::fail("database", text(&error), remedy));
        }
        Ok((store, recovery)) => {
            lines.push(Line::ok("database", "opens, and agrees with the log"));
            lines.extend(is_restored.then(restored));
            lines.extend(repairs(&recovery).filter(|_| !is_restored));
            lines.extend(unknown(&recovery));
            lines.push(sessions::open(&store, &recovery));
            lines.push(sessions::sealed(&store, is_restored));
            lines.extend(parameters(context, &store));
            lines.extend(accounts_line(&store, &log));
        }
    }
}

fn keys(context: &Context, secrets: &Secrets) -> Line {
    let (check, node) = ("keys", secrets.node_id());
    match (secrets.kek(), secrets.kek_id()) {
        (Ok(_), Some(id)) => {
            let from = match &context.config.master_key {
                Some(_) => "given, and the folder's",
                None => "in the folder",
            };
            Line::ok(check, format!("node {node}; master key {id}, {from}"))
        }
        (Err(error), Some(_)) => {
            let remedy = "give it with LUCID_MASTER_KEY_FILE, or put secrets/master.key back";
            Line::fail(check, text(&error), remedy)
        }
        (_, None) if context.config.age_recipients.is_empty() => {
            let found = format!("node {node}; write-only, and no age recipient is configured");
            Line::warn(check, found, "without one no session can be recorded: age_recipients")
        }
        (_, None) => Line::ok(check, format!("node {node}; write-only, for age recipients")),
    }
}

/// The log's state, and when its last entry was written.
fn ledger(log: &LogReader) -> (Line, Option<Timestamp>) {
    let (check, size) = ("ledger log", log.size());
    let last = size.checked_sub(1).map(|last| log.entry(EntryIndex(last)));
    let last = match last.transpose() {
        Ok(last) => last,
        Err(error) => {
            let remedy = "all that is wrong and what to do says: lucid-node ledger check";
            return (Line::fail(check, text(&error), remedy), None);
        }
    };
    let at = last.and_then(|bytes| Entry::parse(&bytes).ok()).map(|entry| entry.at());
    let age = at.map_or_else(String::new, |at| {
        let seconds = now().unix_millis().saturating_sub(at.unix_millis()) / 1000;
        format!(", the last of {at} ({})", ago(seconds))
    });
    let found = format!(
        "{}{age}, the signed root is theirs; every one is checked by: lucid-node ledger \
         check",
        counted(size, "entry")
    );
    (Line::ok(check, found), at)
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// The parameters that were decided on, where any were: settings that differ from them do not count.
fn parameters(context: &Context, store: &Store) -> Option<Line> {
    let (check, changed) = ("parameters", store.parameters()?);
    let overruled = policy::overruled(&context.config.parameters(), &changed.parameters);
    let of = format!("decided on by the chain, in block {}", changed.block);
    Some(match overruled.is_empty() {
        true => Line::ok(check, of),
        false => {
            let found = format!("{of}: {}", policy::overruled_text(&overruled));
            Line::warn(
                check,
                found,
                "none is needed: the chain's count, and no longer the settings",
            )
        }
    })
}

/// That nobody has gone on with the log since it was put back.
fn restored() -> Line {
    let found = "made of a backup, and nobody has gone on in it: sessions were not repaired, and nothing was signed";
    let remedy = "before a command that records or runs: get its chunks back, and look whether the log had more entries \
                  elsewhere (lucid-node backup check --newer-checkpoint)";
    Line::warn("restored folder", found, remedy)
}

/// What opening the store has repaired just now, where anything was.
fn repairs(recovery: &Recovery) -> Option<Line> {
    let repairs: Vec<_> = recovery.repairs.iter().map(ToString::to_string).collect();
    let found = format!("what a crash left is repaired: {}", repairs.join("; "));
    let remedy = "nothing more; it is in the log too";
    (!repairs.is_empty()).then(|| Line::warn("repairs", found, remedy))
}

/// Sessions that have files and no entry: the log forgot them, or never had them.
fn unknown(recovery: &Recovery) -> Option<Line> {
    let remedy = "put log/ back from its newest copy; whether the log goes on from a checkpoint that \
                  you kept says: lucid-node ledger check --against CHECKPOINT_FILE";
    recovery.unknown_text().map(|found| Line::fail("log history", found, remedy))
}

/// Whether the accounts are those of the log, where there are any.
fn accounts_line(store: &Store, log: &LogReader) -> Option<Line> {
    let (check, folder) = ("accounts", store.path().join("auth"));
    let mut changes = 0_u64;
    let read = |each: &mut dyn FnMut(EntryIndex, &UserChanged)| {
        let mut after = TreeHead::EMPTY;
        loop {
            let page = store.user_changes(after, CHANGES_PAGE)?;
            changes += page.changes.len() as u64;
            page.changes.iter().for_each(|(index, change)| each(*index, change));
            after = page.until;
            if !page.more {
                return Ok(());
            }
        }
    };
    match accounts::check(&folder, &Disk::default(), log, read) {
        Ok(None) if !folder.exists() => None,
        Ok(None) => {
            Some(Line::ok(check, format!("those of the log, {}", counted(changes, "change"))))
        }
        Ok(Some(found)) => {
            let remedy = "move them aside with: lucid-node ledger rebuild; the next start makes them \
                          anew from the log, and everybody signs in again";
            Some(Line::fail(check, format!("{}: {found}", folder.display()), remedy))
        }
        Err(error) => Some(Line::fail(check, text(&error), "see to the disk")),
    }
}
