//! Writing a backup: under a temporary name, synced, then named.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use lucid_core::{Hash, Timestamp, note::Checkpoint};
use lucid_store::{
    DataFolder, Disk, FolderKind, LogReader, NodeKey, StoreError,
    disk::{self, Op, parent, temporary_name},
};
use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};

use super::{
    Expected, Facts, Keepers, Opener, check,
    member::{FILE_BYTES_MAX, FileName, room},
    members::{BUFFER_BYTES, Members},
    walk::{Found, walk},
};
use crate::error::{ArchiveError, Doing};

/// A file beside the data folder that goes into the backup, too.
pub struct Extra {
    /// Its name in the backup: letters, digits and `._+-`.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// How a backup is made.
pub struct WriteOptions<'a> {
    /// Who can open it.
    pub keepers: Keepers,
    /// What it is opened with and read to its end before it gets its name, where it is to be tried.
    pub trial: Option<Opener>,
    /// Files beside the data folder.
    pub extras: Vec<Extra>,
    /// Replace a file of that name.
    pub replace: bool,
    /// The time.
    pub at: Timestamp,
    /// Name and version of the program.
    pub software: String,
    /// The disk.
    pub disk: Disk,
    /// Told bytes done and bytes in all.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// What the backup says of itself.
    pub facts: Facts,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// The age recipients it is encrypted for; none where a passphrase opens it.
    pub recipients: Vec<String>,
    /// Whether it was opened and read to its end.
    pub is_tried: bool,
    /// What stands in the data folder and no node put there: it is not in the backup.
    pub left_out: Vec<String>,
}

/// Writes a backup of the data folder `data` to the file `to`, which has its name only when it is whole and on the disk.
/// The folder is locked meanwhile, and nothing in it is changed.
///
/// # Errors
/// [`ArchiveError::Exists`], [`ArchiveError::Inside`], [`ArchiveError::NoRoom`], [`ArchiveError::Keys`] before anything is
/// written; [`ArchiveError::Unfit`], [`ArchiveError::Changed`], the folder's and the log's own, the operating system's, and
/// where it is tried those of [`check`], with nothing under the name.
pub fn write(data: &Path, to: &Path, options: WriteOptions<'_>) -> Result<Written, ArchiveError> {
    if let Some(opener) = &options.trial {
        options.keepers.check_opener(opener)?;
    }
    let (folder, kind) = lock(data)?;
    check_place(folder.path(), to, options.replace)?;
    let key = node_key(&folder, kind)?;
    let checkpoint = match &key {
        Some(key) => checkpoint(&folder, key)?,
        None => None,
    };
    let mut found = walk(folder.path())?;
    let mut files = extras(&options.extras, &mut found.room)?;
    files.append(&mut found.files);
    check_room(to, found.room)?;
    let WriteOptions { keepers, trial, at, software, disk, progress, replace, .. } = options;
    let recipients = keepers.recipient_names();
    // Members have whole seconds.
    let at = Timestamp::from_unix_millis(at.unix_millis() / 1000 * 1000);
    let temporary = temporary_name(to);
    let facts = Facts {
        bytes: 0,
        checkpoint: checkpoint.map(|(_, text)| text),
        created_at: at,
        files: 0,
        format: kind.format().trim_end().to_owned(),
        node_id: key.as_ref().map(NodeKey::node_id),
        software,
        sums: Hash([0; 32]),
        version: Facts::VERSION,
    };
    let written = Sealing { files: &files, keepers, temporary: &temporary, disk: &disk }
        .run(facts, key.as_ref(), progress)
        .and_then(|facts| {
            if let Some(opener) = &trial {
                try_it(&temporary, opener, &facts)?;
            }
            name(&temporary, to, replace, &disk)?;
            Ok(facts)
        });
    let facts = match written {
        Ok(facts) => facts,
        Err(error) => {
            // The first error is the one to report; what is left under this name is overwritten by the next backup.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
    };
    let file_bytes = fs::metadata(to).doing("look at", to)?.len();
    let is_tried = trial.is_some();
    Ok(Written { facts, file_bytes, recipients, is_tried, left_out: found.unknown })
}

/// Reads what was written as whoever needs it will.
fn try_it(path: &Path, opener: &Opener, facts: &Facts) -> Result<(), ArchiveError> {
    let read = check(path, opener, &Expected::default(), &mut |_, _| ())?;
    match read.facts == *facts {
        true => Ok(()),
        false => Err(ArchiveError::damaged(path, "it reads otherwise than it was written")),
    }
}

/// Locks the folder, of whatever kind it is.
fn lock(data: &Path) -> Result<(DataFolder, FolderKind), ArchiveError> {
    match DataFolder::open(data, FolderKind::Node) {
        Err(StoreError::OtherFolder { found, .. }) => Ok((DataFolder::open(data, found)?, found)),
        folder => Ok((folder?, FolderKind::Node)),
    }
}

fn node_key(folder: &DataFolder, kind: FolderKind) -> Result<Option<NodeKey>, ArchiveError> {
    match kind {
        FolderKind::Node | FolderKind::Ledger => Ok(Some(NodeKey::load(&folder.join("secrets"))?)),
        _ => Ok(None),
    }
}

/// The log's checkpoint, where the log is sound as far as a start looks.
fn checkpoint(
    folder: &DataFolder,
    key: &NodeKey,
) -> Result<Option<(Checkpoint, String)>, ArchiveError> {
    let log = LogReader::open(&folder.join("log"), key.log_key().verifier_key())?;
    Ok(Some((log.checkpoint().clone(), log.checkpoint_text().to_owned())))
}

fn check_place(data: &Path, to: &Path, replace: bool) -> Result<(), ArchiveError> {
    if !replace && fs::symlink_metadata(to).is_ok() {
        return Err(ArchiveError::Exists { path: to.to_owned() });
    }
    let folder = parent(to);
    let (folder, data) =
        (folder.canonicalize().doing("open", folder)?, data.canonicalize().doing("open", data)?);
    match folder.starts_with(&data) {
        true => Err(ArchiveError::Inside { path: to.to_owned(), data }),
        false => Ok(()),
    }
}

fn extras(extras: &[Extra], needed: &mut u64) -> Result<Vec<Found>, ArchiveError> {
    let mut files = Vec::with_capacity(extras.len());
    for Extra { name, path } in extras {
        let unfit = |reason| ArchiveError::Unfit { path: path.clone(), reason };
        let metadata = fs::metadata(path).doing("look at", path)?;
        if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
            return Err(unfit("it is no file, or larger than 8 GiB"));
        }
        let name = FileName::new(format!("config/{name}")).ok_or_else(|| {
            unfit("its name in the backup has more than letters, digits and ._+-")
        })?;
        *needed += room(metadata.len());
        files.push(Found { name, path: path.clone(), bytes: metadata.len() });
    }
    files.sort_by(|a, b| a.name.order(&b.name));
    match files.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(ArchiveError::Unfit {
            path: pair[1].path.clone(),
            reason: "another file has the same name in the backup",
        }),
        None => Ok(files),
    }
}

fn check_room(to: &Path, room: u64) -> Result<(), ArchiveError> {
    // Sums' headers, the note, and age's 16 bytes for each 64 KiB.
    let needed = room + room / 1024 + (256 << 10);
    let stat = statvfs(parent(to)).map_err(io::Error::from);
    let stat = stat.doing("ask for free space at", parent(to))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    match free < needed {
        true => Err(ArchiveError::NoRoom { path: parent(to).to_owned(), free, needed }),
        false => Ok(()),
    }
}

/// Gives the file its name, durably; without `replace` only where nothing has it.
fn name(temporary: &Path, to: &Path, replace: bool, disk: &Disk) -> Result<(), ArchiveError> {
    if replace {
        disk.rename(temporary, to).doing("rename", temporary)?;
    } else {
        disk.check(Op::Rename, to).doing("rename", temporary)?;
        match renameat_with(CWD, temporary, CWD, to, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => {
                return Err(ArchiveError::Exists { path: to.to_owned() });
            }
            // A file system that knows no such renaming: it was looked for before.
            Err(rustix::io::Errno::INVAL) => {
                disk.rename(temporary, to).doing("rename", temporary)?;
            }
            renamed => renamed.map_err(io::Error::from).doing("rename", temporary)?,
        }
    }
    disk.sync_folder(parent(to)).doing("sync", parent(to))
}

/// The archive being made.
struct Sealing<'a> {
    files: &'a [Found],
    keepers: Keepers,
    temporary: &'a Path,
    disk: &'a Disk,
}

impl Sealing<'_> {
    fn run(
        self,
        facts: Facts,
        key: Option<&NodeKey>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Facts, ArchiveError> {
        let path = self.temporary;
        let file = self.disk.create_anew(path).doing("create", path)?;
        let out = Out { file: &file, path, disk: self.disk };
        let sealed = self.keepers.seal(BufWriter::with_capacity(BUFFER_BYTES, out), path)?;
        let mut members = Members::new(sealed, path, facts.created_at);
        let total = self.files.iter().map(|file| file.bytes).sum();
        for found in self.files {
            members.file(found, &mut |bytes| progress(bytes, total))?;
        }
        let (sealed, facts) = members.finish(facts, key)?;
        let mut buffered = sealed.finish().doing("write", path)?;
        buffered.flush().doing("write", path)?;
        drop(buffered);
        self.disk.sync_file(&file, path).doing("sync", path)?;
        Ok(facts)
    }
}

/// A file that every write to may fail, in tests.
struct Out<'a> {
    file: &'a File,
    path: &'a Path,
    disk: &'a Disk,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        disk::Disk::write(self.disk, self.file, self.path, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
