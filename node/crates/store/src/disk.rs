//! The one seam to the disk: every operation that durability depends on goes through here.
//!
//! Rules kept by these functions, in the order in which a crash may strike:
//! - a file under its final name is whole: it was written under a temporary name, its data reached
//!   the disk (`fdatasync`), then it was renamed;
//! - a name is durable once its folder was synced (`fsync`), and nothing is acknowledged before;
//! - what a crash leaves under a temporary name (`*.tmp`) was never acknowledged.
//!
//! [`Faults`] lets a test fail any single operation, as a full or broken disk would.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Opening a pipe that nobody has the other end of does not wait for somebody.
pub(crate) const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// Opens a file to read. Whoever can put a pipe or a device where a file belongs keeps nobody waiting.
///
/// # Errors
/// The operating system's; `InvalidData` where it is no file.
pub fn open_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file")),
    }
}

/// Reads a whole file, as [`open_file`] opens it.
///
/// # Errors
/// Those of [`open_file`].
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_file(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One operation on the disk, as [`Faults`] sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Op {
    /// Create or open a file for writing.
    Open,
    /// Write bytes to a file.
    Write,
    /// Bring a file's data to the disk.
    SyncFile,
    /// Give a file its final name.
    Rename,
    /// Bring a folder's names to the disk.
    SyncFolder,
    /// Remove a file.
    Remove,
    /// Cut a file's end off.
    Truncate,
    /// Make a folder.
    MakeFolder,
    /// Remove an empty folder.
    RemoveFolder,
}

/// Decides whether an operation fails. The default, used outside tests, fails none.
pub trait Faults: Send + Sync {
    /// Called before each operation; an error is returned to whoever wanted it.
    ///
    /// # Errors
    /// The fault.
    fn before(&self, op: Op, path: &Path) -> io::Result<()>;
}

struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _: Op, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A handle on the disk; cheap to clone.
#[derive(Clone)]
pub struct Disk {
    faults: Arc<dyn Faults>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { faults: Arc::new(NoFaults) }
    }
}

impl Disk {
    /// A disk whose operations fail as `faults` says.
    #[must_use]
    pub fn with_faults(faults: Arc<dyn Faults>) -> Self {
        Self { faults }
    }

    /// Asks the script whether `op` on `path` fails.
    ///
    /// # Errors
    /// The scripted fault.
    pub fn check(&self, op: Op, path: &Path) -> io::Result<()> {
        self.faults.before(op, path)
    }

    /// Opens a new file for writing, mode 0600; an old one of that name is emptied.
    ///
    /// # Errors
    /// The operating system's.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        self.check(Op::Open, path)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.custom_flags(NONBLOCK).open(path)
    }

    /// Makes a file, mode 0600, in a folder that others may write to. What has its name is removed first, and never
    /// written through: a link that somebody planted leads elsewhere, and a file that is theirs stays theirs.
    ///
    /// # Errors
    /// The operating system's; `AlreadyExists` where somebody puts it back meanwhile.
    pub fn create_anew(&self, path: &Path) -> io::Result<File> {
        self.check(Op::Open, path)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => OpenOptions::new().write(true).create_new(true).mode(0o600).open(path),
        }
    }

    /// Opens a file for appending, mode 0600, made where it is missing.
    ///
    /// # Errors
    /// The operating system's.
    pub fn append_to(&self, path: &Path) -> io::Result<File> {
        self.check(Op::Open, path)?;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(NONBLOCK).open(path)
    }

    /// Opens a file that is there to write in place.
    ///
    /// # Errors
    /// The operating system's.
    pub fn open_in_place(&self, path: &Path) -> io::Result<File> {
        self.check(Op::Open, path)?;
        OpenOptions::new().write(true).custom_flags(NONBLOCK).open(path)
    }

    /// Writes all of `bytes` over what is at `offset`.
    ///
    /// # Errors
    /// The operating system's; part of the bytes may then be in the file.
    pub fn write_at(&self, file: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check(Op::Write, path)?;
        file.write_all_at(bytes, offset)
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The operating system's; part of the bytes may then be in the file.
    pub fn write(&self, mut file: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.check(Op::Write, path)?;
        file.write_all(bytes)
    }

    /// Brings a file's data, and the length needed to read it, to the disk.
    ///
    /// # Errors
    /// The operating system's. After a failure the file's content is unknown: it must be written
    /// again under another name, not synced again.
    pub fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.check(Op::SyncFile, path)?;
        file.sync_data()
    }

    /// Renames, replacing what had the name. Durable after [`Disk::sync_folder`].
    ///
    /// # Errors
    /// The operating system's.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Op::Rename, to)?;
        fs::rename(from, to)
    }

    /// Brings the names in a folder to the disk.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.check(Op::SyncFolder, path)?;
        File::open(path)?.sync_all()
    }

    /// Removes a file; one that is not there is already removed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(Op::Remove, path)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Cuts a file to `bytes` and brings that to the disk.
    ///
    /// # Errors
    /// The operating system's.
    pub fn truncate(&self, file: &File, path: &Path, bytes: u64) -> io::Result<()> {
        self.check(Op::Truncate, path)?;
        file.set_len(bytes)?;
        file.sync_all()
    }

    /// Makes a folder, mode 0700, and its name durable; one that is there keeps its mode.
    ///
    /// # Errors
    /// The operating system's.
    pub fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.check(Op::MakeFolder, path)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => {
                Err(error)
            }
            // One that is there may be what an interrupted attempt made: not yet durable.
            _ => self.sync_folder(parent(path)),
        }
    }

    /// Removes an empty folder, durably; one that is not there is already removed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.check(Op::RemoveFolder, path)?;
        match fs::remove_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync_folder(parent(path)),
        }
    }

    /// Writes a whole file so that after a crash it is there with exactly these bytes, or not (or,
    /// where it replaces one, as it was before): temporary name, fdatasync, rename, folder fsync.
    ///
    /// # Errors
    /// The operating system's. The temporary file is then removed, as far as that is possible.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_file_unsynced_name(path, bytes)?;
        self.sync_folder(parent(path))
    }

    /// [`Disk::write_file`] in a folder that others may write to ([`Disk::create_anew`]).
    ///
    /// # Errors
    /// The operating system's.
    pub fn write_file_among_others(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = temporary_name(path);
        self.create_anew(&temporary).and_then(|file| {
            self.write(&file, &temporary, bytes)?;
            self.sync_file(&file, &temporary)?;
            self.rename(&temporary, path)
        })?;
        self.sync_folder(parent(path))
    }

    /// [`Disk::write_file`] without the folder's fsync, for a caller that syncs the folder once for
    /// several files.
    ///
    /// # Errors
    /// The operating system's.
    pub fn write_file_unsynced_name(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = temporary_name(path);
        let written = self.create(&temporary).and_then(|file| {
            self.write(&file, &temporary, bytes)?;
            self.sync_file(&file, &temporary)?;
            self.rename(&temporary, path)
        });
        if written.is_err() {
            // The first error is the one to report; what cannot be removed now is removed at start.
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

/// The name a file has until it is whole.
#[must_use]
pub fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

/// The folder that a path's name stands in.
#[must_use]
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
