//! Opening the database, and making it anew where it cannot be trusted.

use std::{
    fmt, fs,
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::RwLock,
    thread,
    time::Duration,
};

use super::{
    Applied, CACHE_BYTES, Database, LAG_ENTRIES, SEGMENT_BYTES, Source, State, VERSION, aside,
    recent::{Places, Recent},
};
use lucid_core::counted;

use crate::{
    data::DataFolder,
    disk::{Disk, parent},
    error::{Doing, StoreError},
};

/// How often, and how long between, opening is tried while sled's lock is held. Its own threads hold
/// it for some milliseconds after the database was closed in the same process.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// What the mark of a database holds that is to be made anew though it is not damaged.
const ASKED_FOR: &[u8] = b"asked for\n";

/// An open database, and what had to be done for it.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) rebuilt: Option<Rebuilt>,
}

/// Why the database was made anew, where the old one is, and what became of older ones.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    pub(crate) reason: String,
    pub(crate) aside: Option<PathBuf>,
    pub(crate) removed: Vec<String>,
}

/// Why an opened database is not used.
enum Refusal {
    /// It cannot be trusted; it is made anew.
    Anew(String),
    /// The disk or the log failed; making it anew would not help.
    Failed(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database { source: sled::Error::Io(error), .. } if is_damage(&error) => {
                Self::Anew(error.to_string())
            }
            StoreError::Database { source: sled::Error::Io(_), .. } => Self::Failed(error),
            StoreError::Database { source, .. } => Self::Anew(source.to_string()),
            error => Self::Failed(error),
        }
    }
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
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
    let try_it = || guarded(|| try_open(folder, disk, log, lag_entries));
    let reason = match state_of(folder) {
        Some(reason) => reason,
        None => match try_it() {
            Ok(database) => return Ok(Opened { database, rebuilt: None }),
            Err(Refusal::Failed(error)) => return Err(error),
            Err(Refusal::Anew(reason)) => reason,
        },
    };
    let aside = move_aside(folder, "damaged", disk)?;
    disk.remove(&condemned(folder)).doing("remove", &condemned(folder))?;
    let database = match try_it() {
        Ok(database) => database,
        Err(Refusal::Failed(error)) => return Err(error),
        Err(Refusal::Anew(reason)) => {
            let source = sled::Error::Unsupported(reason);
            return Err(StoreError::Database { path: folder.to_owned(), source });
        }
    };
    let removed = aside::remove_old(folder, disk)?;
    let rebuilt = (log.size() > 0).then_some(Rebuilt { reason, aside, removed });
    Ok(Opened { database, rebuilt })
}

/// Why the folder need not even be tried.
fn state_of(folder: &Path) -> Option<String> {
    if let Ok(mark) = fs::read(condemned(folder)) {
        let reason = match mark.as_slice() {
            ASKED_FOR => "ledger rebuild asked for it",
            _ => "it was found damaged while it was in use",
        };
        Some(reason.to_owned())
    } else if folder.exists() {
        None
    } else {
        Some("it was missing".to_owned())
    }
}

/// [`try_open`] as `open` calls it, with sled's panics (it has some on damaged files) as refusals.
fn guarded(open: impl FnOnce() -> Result<Database, Refusal>) -> Result<Database, Refusal> {
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Refusal::Anew(format!("sled panicked: {}", text.unwrap_or_default())))
    })
}

fn try_open(
    folder: &Path,
    disk: &Disk,
    log: &dyn Source,
    lag_entries: u64,
) -> Result<Database, Refusal> {
    let failed = |source| StoreError::Database { path: folder.to_owned(), source };
    let fresh = !folder.join("db").exists();
    let db = open_sled(folder).map_err(failed)?;
    let tree = |name: &str| db.open_tree(name).map_err(failed);
    let data_path = folder.join("db");
    let mut database = Database {
        path: folder.to_owned(),
        disk: disk.clone(),
        sessions: tree("sessions")?,
        by_order: tree("by_order")?,
        by_owner: tree("by_owner")?,
        unfinished: tree("unfinished")?,
        meta: tree("meta")?,
        recent: RwLock::default(),
        lag_entries,
        data: File::open(&data_path).doing("open", &data_path)?,
        data_path,
        db,
    };
    if fresh {
        database.sled(database.meta.insert(b"version", VERSION))?;
        database.flush()?;
        // sled syncs neither its settings nor the names of its files.
        let settings = folder.join("conf");
        let file = File::open(&settings).doing("open", &settings)?;
        disk.sync_file(&file, &settings).doing("sync", &settings)?;
        disk.sync_folder(folder).doing("sync", folder)?;
        disk.sync_folder(parent(folder)).doing("sync", parent(folder))?;
    }
    let applied = check_agreement(&database, log)?;
    let open = open_sessions(&database)?;
    database.recent = RwLock::new(Recent::after(applied.size, open));
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

fn open_sled(folder: &Path) -> sled::Result<sled::Db> {
    // sled makes its folder by the caller's umask; what is in it is nobody else's to read.
    DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    let config = sled::Config::new()
        .path(folder)
        .mode(sled::Mode::LowSpace)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    let mut tries = 0;
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if tries < LOCK_TRIES && error.to_string().contains("could not acquire lock") =>
            {
                tries += 1;
                thread::sleep(LOCK_WAIT);
            }
            opened => return opened,
        }
    }
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

/// Gives a folder that is not to be used the next name `db.<what>-<n>`.
fn move_aside(folder: &Path, what: &str, disk: &Disk) -> Result<Option<PathBuf>, StoreError> {
    if !folder.exists() {
        return Ok(None);
    }
    let aside = aside::next_name(folder, what)?;
    disk.rename(folder, &aside).doing("rename", folder)?;
    disk.sync_folder(parent(folder)).doing("sync", parent(folder))?;
    Ok(Some(aside))
}

/// The mark of a database that is to be made anew at the next start.
fn condemned(folder: &Path) -> PathBuf {
    folder.with_extension("rebuild")
}

/// Marks the database in `folder` for being made anew at the next start.
pub(super) fn condemn(folder: &Path) {
    // Without the mark the damage is met again, which is no worse than now.
    let _ = fs::write(condemned(folder), b"");
}

impl fmt::Display for Rebuilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database was made anew from the log: {}", self.reason)?;
        if let Some(aside) = &self.aside {
            write!(f, "; the old one is {}", aside.display())?;
        }
        self.removed.iter().try_for_each(|removed| write!(f, "; {removed}"))
    }
}
