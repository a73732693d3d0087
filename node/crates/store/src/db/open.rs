//! Opening the database, and making it anew where it cannot be trusted.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::RwLock,
};

use lucid_core::counted;

use super::{
    Applied, CACHE_BYTES, Database, LAG_ENTRIES, Source, State, VERSION,
    recent::{Places, Recent},
};
use crate::{
    data::DataFolder,
    disk::Disk,
    error::{Doing, StoreError},
    sled_folder::{ASKED_FOR, Rebuilt, Refusal, SledFolder, condemned, move_aside, open_or_anew},
};

/// An open database, and what had to be done for it.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) rebuilt: Option<Rebuilt>,
}

/// Opens the database in `folder` as the projection of `log`, up to the log's end.
///
/// # Errors
/// The disk's and the log's. Damage to the database itself is no error: it is made anew.
pub(crate) fn open(folder: &Path, disk: &Disk, log: &dyn Source) -> Result<Opened, StoreError> {
    open_lagging(folder, disk, log, LAG_ENTRIES)
}

/// [`open`] for trees that may be fewer than `lag_entries` behind.
pub(super) fn open_lagging(
    folder: &Path,
    disk: &Disk,
    log: &dyn Source,
    lag_entries: u64,
) -> Result<Opened, StoreError> {
    let try_it = || try_open(folder, disk, log, lag_entries);
    let (database, rebuilt) = open_or_anew(folder, disk, try_it)?;
    // Of an empty log there was nothing to lose.
    Ok(Opened { database, rebuilt: rebuilt.filter(|_| log.size() > 0) })
}

fn try_open(
    folder: &Path,
    disk: &Disk,
    log: &dyn Source,
    lag_entries: u64,
) -> Result<Database, Refusal> {
    let fresh = !folder.join("db").exists();
    let files = SledFolder::open(folder, CACHE_BYTES, disk)?;
    let mut database = Database {
        sessions: files.tree("sessions")?,
        by_order: files.tree("by_order")?,
        by_owner: files.tree("by_owner")?,
        unfinished: files.tree("unfinished")?,
        users: files.tree("users")?,
        parameters: files.tree("parameters")?,
        anchors: files.tree("anchors")?,
        due: files.tree("due")?,
        meta: files.tree("meta")?,
        recent: RwLock::default(),
        lag_entries,
        files,
    };
    if fresh {
        database.sled(database.meta.insert(b"version", VERSION))?;
        database.files.flush()?;
    }
    let applied = check_agreement(&database, log)?;
    let open = open_sessions(&database)?;
    let in_force = database.newest_parameters(log)?.map_err(Refusal::Anew)?;
    let anchored = database.newest_anchor(log)?.map_err(Refusal::Anew)?;
    let recent = Recent { in_force, anchored, ..Recent::after(applied.size, open) };
    database.recent = RwLock::new(recent);
    database.catch_up(log)?;
    // What the start is about to ask for.
    for session in database.unfinished()? {
        database.session(session)?;
    }
    Ok(database)
}

/// The sessions that the trees have as open.
fn open_sessions(database: &Database) -> Result<Places, StoreError> {
    let mut open = Places::default();
    for session in database.unfinished()? {
        if let Some(row) = database.written(session)?.filter(|row| row.state() == State::Open) {
            open.insert(&row);
        }
    }
    Ok(open)
}

/// Refuses trees of another layout, of another log, or of a log that was longer than this one.
fn check_agreement(database: &Database, log: &dyn Source) -> Result<Applied, Refusal> {
    let version = database.sled(database.meta.get(b"version"))?;
    if version.as_deref() != Some(VERSION) {
        return Err(Refusal::Anew("its layout is another version's".to_owned()));
    }
    let applied @ Applied { size, root } = database.applied()?;
    if size > log.size() {
        let reason =
            format!("it stands for {} and the log has {}", counted(size, "entry"), log.size());
        return Err(Refusal::Anew(reason));
    }
    if log.root_at(size)? != root {
        return Err(Refusal::Anew(format!(
            "it stands for another log of {}",
            counted(size, "entry")
        )));
    }
    Ok(applied)
}

/// Moves the database of a data folder aside, under the next name `db.aside-<n>`, because somebody
/// wants it made anew: the next start does that, and says why. `None` where there is none.
///
/// # Errors
/// The operating system's.
pub fn set_aside(folder: &DataFolder, disk: &Disk) -> Result<Option<PathBuf>, StoreError> {
    let database = folder.join("db");
    let mark = condemned(&database);
    fs::write(&mark, ASKED_FOR).doing("write", &mark)?;
    move_aside(&database, "aside", disk)
}
