//! Making a database anew where the one that is there cannot be trusted. It is moved aside first.

use std::{
    fmt, fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::aside;
use crate::{
    disk::{Disk, parent, read_file},
    error::{Doing, StoreError},
};

/// What the mark of a database holds that is to be made anew though it is not damaged.
pub(crate) const ASKED_FOR: &[u8] = b"asked for\n";

/// Why the database was made anew, where the old one is, and what became of older ones.
#[derive(Debug)]
pub struct Rebuilt {
    /// Why.
    pub reason: String,
    /// Where the old one is; `None` where there was none.
    pub aside: Option<PathBuf>,
    /// What became of older ones, a clause each.
    pub removed: Vec<String>,
}

/// Why an opened database is not used.
pub(crate) enum Refusal {
    /// It cannot be trusted; it is made anew.
    Anew(String),
    /// The disk or what the database is made from failed; making it anew would not help.
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

/// Opens the database in `folder` as `open` does; where that refuses it, moves it aside and opens
/// another in its place.
///
/// # Errors
/// The disk's, and what `open` fails with. Damage to the database itself is no error: it is made anew.
pub(crate) fn open_or_anew<T>(
    folder: &Path,
    disk: &Disk,
    open: impl Fn() -> Result<T, Refusal>,
) -> Result<(T, Option<Rebuilt>), StoreError> {
    let try_it = || guarded(&open);
    let reason = match state_of(folder) {
        Some(reason) => reason,
        None => match try_it() {
            Ok(database) => return Ok((database, None)),
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
    Ok((database, Some(Rebuilt { reason, aside, removed })))
}

/// Why the folder need not even be tried.
fn state_of(folder: &Path) -> Option<String> {
    if let Ok(mark) = read_file(&condemned(folder)) {
        let reason = match mark.as_slice() {
            ASKED_FOR => "ledger rebuild asked for it",
            _ => "it was found damaged while it was in use",
        };
        Some(reason.to_owned())
    } else if folder.is_dir() {
        // sled would wait for ever on a pipe.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let is_other =
            |path: &PathBuf| fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir());
        let other = entries.map(|entry| entry.path()).find(is_other);
        other.map(|other| format!("{} is no file", other.display()))
    } else if folder.exists() {
        Some("what stood in its place was no folder".to_owned())
    } else {
        Some("it was missing".to_owned())
    }
}

/// `open`, with sled's panics (it has some on damaged files) as refusals.
pub(crate) fn guarded<T>(open: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Refusal::Anew(format!("sled panicked: {}", text.unwrap_or_default())))
    })
}

/// Gives a folder that is not to be used the next name `<its name>.<what>-<n>`.
pub(crate) fn move_aside(
    folder: &Path,
    what: &str,
    disk: &Disk,
) -> Result<Option<PathBuf>, StoreError> {
    if !folder.exists() {
        return Ok(None);
    }
    let aside = aside::next_name(folder, what)?;
    disk.rename(folder, &aside).doing("rename", folder)?;
    disk.sync_folder(parent(folder)).doing("sync", parent(folder))?;
    Ok(Some(aside))
}

/// The mark of a database that is to be made anew at the next start.
pub(crate) fn condemned(folder: &Path) -> PathBuf {
    folder.with_extension("rebuild")
}

/// Marks the database in `folder` for being made anew at the next start.
pub(crate) fn condemn(folder: &Path) {
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
