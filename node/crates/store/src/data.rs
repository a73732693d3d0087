//! The data folder: its layout, its format mark and its lock.
//!
//! ```text
//! format                              "lucid-data 1\n": tells our folder from any other, and its format
//! lock                                held with flock while the folder is open; has the holder's process id
//! secrets/  keys/  chunks/  sessions/  log/  db/
//! opening/<session>                   an empty mark while a session's files are made (see `store`)
//! ```
//!
//! The mark is written first when a folder is made, so that an interrupted creation is recognised
//! and finished by a second one. Nothing is touched in a folder without it.
//!
//! Invariant: one process at a time. The lock goes with the process; its file stays.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock, statvfs};

use crate::{
    disk::{Disk, parent, temporary_name},
    error::{Doing, StoreError},
};

/// What the file `format` holds in this version.
const FORMAT: &str = "lucid-data 1\n";
const FORMAT_NAME: &str = "lucid-data ";

/// Below this much free space no chunk is taken, whatever the disk's size: room for the ledger to
/// close what is open.
const RESERVE_BYTES_MIN: u64 = 64 << 20;
/// On a large disk one part in a hundred would be more than the ledger ever needs to close down.
const RESERVE_BYTES_MAX: u64 = 1 << 30;

/// An open data folder, locked for as long as the value lives.
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    const SUBFOLDERS: [&str; 6] = ["secrets", "keys", "chunks", "sessions", "log", "opening"];

    /// Makes the folder, or finishes one whose making was interrupted, and locks it.
    ///
    /// # Errors
    /// [`StoreError::NotADataFolder`] where there is a folder with other things in it,
    /// [`StoreError::NewerFormat`], [`StoreError::InUse`], the operating system's.
    pub fn create(path: &Path, disk: &Disk) -> Result<Self, StoreError> {
        match read_format(path)? {
            Mark::Ours => (),
            Mark::None if is_vacant(path)? => {
                fs::create_dir_all(parent(path)).doing("create", parent(path))?;
                disk.make_folder(path).doing("create", path)?;
            }
            Mark::None => return Err(StoreError::NotADataFolder { path: path.to_owned() }),
        }
        let lock = lock(path)?;
        let format = path.join("format");
        disk.write_file(&format, FORMAT.as_bytes()).doing("write", &format)?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        for name in Self::SUBFOLDERS {
            let subfolder = path.join(name);
            disk.make_folder(&subfolder).doing("create", &subfolder)?;
        }
        Ok(folder)
    }

    /// Opens and locks a folder that [`DataFolder::create`] made.
    ///
    /// # Errors
    /// [`StoreError::NoFolder`], [`StoreError::NotADataFolder`], [`StoreError::NewerFormat`],
    /// [`StoreError::InUse`], [`StoreError::Unfinished`], the operating system's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        match read_format(path)? {
            Mark::Ours => (),
            Mark::None if path.is_dir() => {
                return Err(StoreError::NotADataFolder { path: path.to_owned() });
            }
            Mark::None => return Err(StoreError::NoFolder { path: path.to_owned() }),
        }
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        if Self::SUBFOLDERS.iter().any(|name| !path.join(name).is_dir()) {
            return Err(StoreError::Unfinished { path: path.to_owned() });
        }
        Ok(folder)
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name in the folder.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Bytes that this process can still write on the folder's disk.
    ///
    /// # Errors
    /// The operating system's.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let stat = statvfs(&self.path).map_err(io::Error::from);
        let stat = stat.doing("ask for free space at", &self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Bytes kept back for the ledger where none are configured: a hundredth of the disk, at least
    /// 64 MiB and at most 1 GiB.
    ///
    /// # Errors
    /// The operating system's.
    pub fn reserve_bytes(&self) -> Result<u64, StoreError> {
        let stat = statvfs(&self.path).map_err(io::Error::from);
        let stat = stat.doing("ask for the size of the disk at", &self.path)?;
        let hundredth = stat.f_blocks.saturating_mul(stat.f_frsize) / 100;
        Ok(hundredth.clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX))
    }
}

enum Mark {
    Ours,
    None,
}

fn read_format(path: &Path) -> Result<Mark, StoreError> {
    let format = path.join("format");
    let text = match fs::read(&format) {
        Ok(bytes) => bytes,
        Err(error) if missing(&error) => return Ok(Mark::None),
        Err(error) => return Err(error).doing("read", &format),
    };
    if text == FORMAT.as_bytes() {
        return Ok(Mark::Ours);
    }
    let version = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.strip_prefix(FORMAT_NAME)?.strip_suffix('\n')?.parse::<u64>().ok());
    match version {
        Some(version) => Err(StoreError::NewerFormat { path: path.to_owned(), version }),
        None => Err(StoreError::NotADataFolder { path: path.to_owned() }),
    }
}

fn missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a data folder may be made here: nothing is there, or an empty folder, or one whose making
/// was interrupted before its mark was written. A file system's own `lost+found` does not count.
fn is_vacant(path: &Path) -> Result<bool, StoreError> {
    let ours = [temporary_name(Path::new("format")), "lock".into(), "lost+found".into()];
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(error).doing("read", path),
    };
    for entry in entries {
        let name = PathBuf::from(entry.doing("read", path)?.file_name());
        if !ours.contains(&name) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes the lock and leaves the process id for those who come too late.
fn lock(path: &Path) -> Result<File, StoreError> {
    let name = path.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&name).doing("open", &name)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => (),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            // Without its text the message has no process id, which is all that is lost.
            let _ = file.read_to_string(&mut text);
            let holder = text.trim_end().parse().ok();
            return Err(StoreError::InUse { path: path.to_owned(), holder });
        }
        Err(error) => return Err(io::Error::from(error)).doing("lock", &name),
    }
    file.set_len(0).doing("write", &name)?;
    file.rewind().doing("write", &name)?;
    writeln!(file, "{}", std::process::id()).doing("write", &name)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn refused(path: &Path) -> StoreError {
        DataFolder::open(path).err().expect("refused")
    }

    #[test]
    fn what_is_made_opens_once() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("deep").join("data");
        assert!(matches!(refused(&path), StoreError::NoFolder { .. }));
        let disk = Disk::default();
        let folder = DataFolder::create(&path, &disk).unwrap();
        assert_eq!(fs::read_to_string(path.join("format")).unwrap(), FORMAT);
        for name in ["", "secrets", "keys", "log"] {
            let mode = fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{name:?}");
        }
        let message = refused(&path).to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(folder);
        let folder = DataFolder::open(&path).unwrap();
        assert!(folder.free_bytes().unwrap() > 0);
        assert!((RESERVE_BYTES_MIN..=RESERVE_BYTES_MAX).contains(&folder.reserve_bytes().unwrap()));
    }

    #[test]
    fn other_folders_are_left_alone() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path();
        assert!(matches!(refused(path), StoreError::NotADataFolder { .. }));
        let check = |name: &str, text: &str, want: fn(&StoreError) -> bool| {
            fs::write(path.join(name), text).unwrap();
            let before: Vec<_> = names(path);
            for error in [refused(path), DataFolder::create(path, &Disk::default()).err().unwrap()]
            {
                assert!(want(&error), "{name}: {error}");
            }
            assert_eq!(names(path), before, "{name}: nothing was touched");
            fs::remove_file(path.join(name)).unwrap();
        };
        check("photo.jpg", "", |e| matches!(e, StoreError::NotADataFolder { .. }));
        check("format", "x\n", |e| matches!(e, StoreError::NotADataFolder { .. }));
        check("format", "lucid-data 1", |e| matches!(e, StoreError::NotADataFolder { .. }));
        check("format", "lucid-data 7\n", |e| {
            matches!(e, StoreError::NewerFormat { version: 7, .. })
        });
        let file = path.join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(refused(&file), StoreError::NoFolder { .. }));
        assert!(DataFolder::create(&file, &Disk::default()).is_err());
    }

    fn names(path: &Path) -> Vec<PathBuf> {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn an_interrupted_creation_is_finished() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("format.tmp"), "luc").unwrap();
        fs::create_dir(base.path().join("lost+found")).unwrap();
        drop(DataFolder::create(base.path(), &Disk::default()).unwrap());
        fs::remove_dir(base.path().join("opening")).unwrap();
        assert!(matches!(refused(base.path()), StoreError::Unfinished { .. }));
        drop(DataFolder::create(base.path(), &Disk::default()).unwrap());
        assert!(DataFolder::open(base.path()).is_ok());
    }
}
