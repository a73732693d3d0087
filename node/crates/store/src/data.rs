//! The data folder: its layout, its format mark and its lock.
//!
//! ```text
//! format                              "lucid-data 1\n": tells our folder from any other, and its format
//! lock                                held with flock while the folder is open; has the holder's process id
//! secrets/  keys/  chunks/  sessions/  log/  db/
//! opening/<session>                   an empty mark while a session's files are made (see `store`)
//! log.remade/                         a log that is being read back from elsewhere (see `remake`)
//! ```
//!
//! Where keys and chunks are another process's, there are two folders with a lock each ([`FolderKind`]):
//! the vault's ("lucid-vault 1\n") has `secrets/ keys/ chunks/`, the ledger's ("lucid-ledger 1\n") has
//! `secrets/ sessions/ log/ db/ opening/`. Accounts where they are a process's own ("lucid-accounts 1\n")
//! have `secrets/ auth/`, a witness's memory ("lucid-witness 1\n") `secrets/ witness/`, and
//! a chain's database ("lucid-vm 1\n") `secrets/ evm/`. A folder with a log has `anchors/` once it has an
//! anchor. An index of sessions ("lucid-sessions-data 1\n") has
//! `sessions-data/`, which a whole node's folder has, too, and one of onion services ("lucid-tor 1\n") `secrets/ tunnels/`.
//!
//! The mark is written first when a folder is made, so that an interrupted creation is recognised
//! and finished by a second one. Nothing is touched in a folder without it.
//!
//! Invariant: one process at a time. The lock goes with the process; its file stays.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock, statvfs};

use crate::{
    disk::{Disk, parent, read_file, temporary_name},
    error::{Doing, StoreError},
};

/// Stands in a folder that a backup is being restored into, in place of `format`.
pub const RESTORING: &str = "format.restoring";
/// Stands in a folder that was made of a backup and in which nobody has gone on since: another folder may have the log's
/// later entries, so that whoever only looks signs nothing.
pub const RESTORED: &str = "restored";
/// The format's version.
const VERSION: u64 = 1;

/// What a data folder is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FolderKind {
    /// All that a node has.
    Node,
    /// Keys and chunks: the session-encryptor's.
    Vault,
    /// Sessions and the ledger without keys and chunks: the session-orchestrator's.
    Ledger,
    /// Accounts and sign-ins: authentication's.
    Accounts,
    /// What a witness has cosigned: blockchain-ledger's.
    Witness,
    /// The chain's account and database: blockchain-vm's.
    Vm,
    /// The index of sessions: blockchain-sessions-data's.
    SessionsData,
    /// Onion services and their keys: tor-proxy's.
    Tor,
}

impl FolderKind {
    const ALL: [Self; 8] = [
        Self::Node,
        Self::Vault,
        Self::Ledger,
        Self::Accounts,
        Self::Witness,
        Self::Vm,
        Self::SessionsData,
        Self::Tor,
    ];

    /// The first word of the folder's `format`.
    fn word(self) -> &'static str {
        match self {
            Self::Node => "lucid-data",
            Self::Vault => "lucid-vault",
            Self::Ledger => "lucid-ledger",
            Self::Accounts => "lucid-accounts",
            Self::Witness => "lucid-witness",
            Self::Vm => "lucid-vm",
            Self::SessionsData => "lucid-sessions-data",
            Self::Tor => "lucid-tor",
        }
    }

    /// What the file `format` holds in this version.
    #[must_use]
    pub fn format(self) -> String {
        format!("{} {VERSION}\n", self.word())
    }

    /// The kind whose file `format` holds this in this version.
    #[must_use]
    pub fn of_format(text: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.format().as_bytes() == text)
    }

    /// The folders that there are in one of this kind, also where they are empty: one that lacks any does not open.
    #[must_use]
    pub fn subfolders(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["secrets", "keys", "chunks", "sessions", "log", "opening"],
            Self::Vault => &["secrets", "keys", "chunks"],
            Self::Ledger => &["secrets", "sessions", "log", "opening"],
            Self::Accounts | Self::Witness | Self::Vm | Self::Tor => &["secrets"],
            // It has no key, and nothing that is not elsewhere.
            Self::SessionsData => &[],
        }
    }
}

impl fmt::Display for FolderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "a whole node's",
            Self::Vault => "a vault's (keys and chunks, for session-encryptor)",
            Self::Ledger => "a ledger's (without keys and chunks, for session-orchestrator)",
            Self::Accounts => "one of accounts (for authentication)",
            Self::Witness => "a witness's (for blockchain-ledger)",
            Self::Vm => "a chain's (for blockchain-vm)",
            Self::SessionsData => "one of the index of sessions (for blockchain-sessions-data)",
            Self::Tor => "one of onion services (for tor-proxy)",
        })
    }
}

/// The first folder that is to be there and is not.
fn lacking(path: &Path, kind: FolderKind) -> Option<&'static str> {
    kind.subfolders().iter().find(|name| !path.join(name).is_dir()).copied()
}

/// The log's head is the last thing that a making writes.
fn has_log(path: &Path) -> bool {
    path.join("log").join("head").exists()
}

fn unfinished(path: &Path, name: &str) -> StoreError {
    let path = path.to_owned();
    match has_log(&path) {
        true => StoreError::PartLost { path, name: name.to_owned() },
        false => StoreError::Unfinished { path },
    }
}

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
    /// Makes the folder, or finishes one whose making was interrupted, and locks it.
    ///
    /// # Errors
    /// [`StoreError::NotADataFolder`] where there is a folder with other things in it,
    /// [`StoreError::OtherFolder`], [`StoreError::NewerFormat`], [`StoreError::InUse`], the operating
    /// system's.
    pub fn create(path: &Path, kind: FolderKind, disk: &Disk) -> Result<Self, StoreError> {
        Self::make(path, kind, disk, &[])
    }

    /// [`DataFolder::create`] where the folder may have `secrets` already, and keys and chunks, that were left or that
    /// somebody put there from a backup.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn create_around_secrets(
        path: &Path,
        kind: FolderKind,
        disk: &Disk,
    ) -> Result<Self, StoreError> {
        Self::make(path, kind, disk, &["secrets", "keys", "chunks"])
    }

    fn make(
        path: &Path,
        kind: FolderKind,
        disk: &Disk,
        brought: &[&str],
    ) -> Result<Self, StoreError> {
        match read_format(path, kind)? {
            // What a node had is not made anew as if nothing had been in it.
            Mark::Ours => match lacking(path, kind) {
                Some(name) if has_log(path) => return Err(unfinished(path, name)),
                _ => (),
            },
            Mark::None if is_vacant(path, kind, brought)? => {
                fs::create_dir_all(parent(path)).doing("create", parent(path))?;
                disk.make_folder(path).doing("create", path)?;
            }
            Mark::None => return Err(StoreError::NotADataFolder { path: path.to_owned() }),
        }
        let lock = lock(path)?;
        let format = path.join("format");
        disk.write_file(&format, kind.format().as_bytes()).doing("write", &format)?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        for name in kind.subfolders() {
            let subfolder = path.join(name);
            disk.make_folder(&subfolder).doing("create", &subfolder)?;
        }
        Ok(folder)
    }

    /// Opens and locks a folder that [`DataFolder::create`] made.
    ///
    /// # Errors
    /// [`StoreError::NoFolder`], [`StoreError::NotADataFolder`], [`StoreError::OtherFolder`],
    /// [`StoreError::NewerFormat`], [`StoreError::InUse`], [`StoreError::Unfinished`],
    /// [`StoreError::PartLost`], the operating system's.
    pub fn open(path: &Path, kind: FolderKind) -> Result<Self, StoreError> {
        match read_format(path, kind)? {
            Mark::Ours => (),
            Mark::None if path.exists() => {
                return Err(StoreError::NotADataFolder { path: path.to_owned() });
            }
            Mark::None => return Err(StoreError::NoFolder { path: path.to_owned() }),
        }
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        match lacking(path, kind) {
            Some(name) => Err(unfinished(path, name)),
            None => Ok(folder),
        }
    }

    /// What it means that `name` is not there: where a log was begun it is lost, else the making was cut short.
    #[must_use]
    pub fn lacks(&self, name: &str) -> StoreError {
        unfinished(&self.path, name)
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

    /// Bytes that this process can still write on the folder's disk, or on the one that is mounted for its
    /// chunks where that has fewer.
    ///
    /// # Errors
    /// The operating system's.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        let free = |path: &Path| {
            let stat = statvfs(path).map_err(io::Error::from)?;
            Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
        };
        let here = free(&self.path).doing("ask for free space at", &self.path)?;
        let chunks = self.path.join("chunks");
        match free(&chunks) {
            Ok(there) => Ok(here.min(there)),
            Err(error) if missing(&error) => Ok(here),
            Err(error) => Err(error).doing("ask for free space at", &chunks),
        }
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

impl DataFolder {
    /// Refuses where fewer than `reserve` bytes are free.
    pub(crate) fn check_room(&self, reserve: u64) -> Result<(), StoreError> {
        let free = self.free_bytes()?;
        if free >= reserve {
            return Ok(());
        }
        Err(StoreError::DiskFull { path: self.path.clone(), free, reserve })
    }
}

enum Mark {
    Ours,
    None,
}

fn read_format(path: &Path, kind: FolderKind) -> Result<Mark, StoreError> {
    let format = path.join("format");
    let text = match read_file(&format) {
        Ok(bytes) => bytes,
        Err(error) if missing(&error) && path.join(RESTORING).exists() => {
            return Err(StoreError::Restoring { path: path.to_owned() });
        }
        Err(error) if missing(&error) => return Ok(Mark::None),
        Err(error) => return Err(error).doing("read", &format),
    };
    if text == kind.format().as_bytes() {
        return Ok(Mark::Ours);
    }
    let path = path.to_owned();
    let parsed = std::str::from_utf8(&text).ok().and_then(|text| {
        let (word, version) = text.strip_suffix('\n')?.split_once(' ')?;
        let found = FolderKind::ALL.into_iter().find(|kind| kind.word() == word)?;
        Some((found, version.parse::<u64>().ok()?))
    });
    Err(match parsed {
        Some((_, version)) if version != VERSION => StoreError::NewerFormat { path, version },
        Some((found, _)) if found != kind => StoreError::OtherFolder { path, found, wanted: kind },
        _ => StoreError::NotADataFolder { path },
    })
}

fn missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a data folder may be made here: nothing is there, or an empty folder, or one whose making
/// was interrupted before its mark was written, or nothing but what is `brought`. A file system's own `lost+found`
/// does not count, nor does a subfolder of ours with nothing in it: a container has a volume mounted there.
fn is_vacant(path: &Path, kind: FolderKind, brought: &[&str]) -> Result<bool, StoreError> {
    let ours = [temporary_name(Path::new("format")), "lock".into(), "lost+found".into()];
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(error).doing("read", path),
    };
    for entry in entries {
        let name = PathBuf::from(entry.doing("read", path)?.file_name());
        let subfolder = || kind.subfolders().iter().any(|known| Path::new(known) == name);
        let is_brought = brought.iter().any(|brought| Path::new(brought) == name);
        let counts_not =
            is_brought || ours.contains(&name) || (subfolder() && is_empty(&path.join(&name))?);
        if !counts_not {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether this is a folder that nothing is in but a file system's own `lost+found`.
pub(crate) fn is_empty(path: &Path) -> Result<bool, StoreError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        Err(error) => return Err(error).doing("read", path),
    };
    for entry in entries {
        if entry.doing("read", path)?.file_name() != "lost+found" {
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
mod tests;
