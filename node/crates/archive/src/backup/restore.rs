//! A data folder from a backup: nothing that a node would start on, or all of it.
//!
//! Order: the marker `format.restoring`; the files, and `restored`, which says that nobody has gone on here; the file system's sync; the marker gets the content and then the
//! name of `format`. A node takes no folder without `format`, nor one with other things in it for a new one; so a crash
//! before that last renaming leaves a folder in which only a restore is begun again.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use lucid_core::{NodeId, note::Checkpoint};
use lucid_store::{
    Disk, FolderKind, LogReader, NodeKey, RESTORED, RESTORING as MARKER,
    disk::{Op, open_file, parent},
};
use rustix::fs::{FlockOperation, flock, statvfs, syncfs};

use super::{
    Facts, Opener,
    read::{Contents, read},
    sink::{CONFIG, Files, Noted, Nowhere, Sink},
};
use crate::error::{ArchiveError, Doing};

/// What may be there before: a file system's own, and chunks, which are on a disk of their own or were left.
const BROUGHT: [&str; 3] = ["chunks", "lock", "lost+found"];
/// For whoever looks into the folder.
const MARK: &[u8] = b"This folder was made of a backup. Commands that only look at it sign nothing; this file goes with the first \
that does not.\n";
/// Bytes read from the backup at once.
const BUFFER_BYTES: usize = 128 << 10;

/// What the backup has to agree with.
#[derive(Default)]
pub struct Expected {
    /// The node it is to be of.
    pub node: Option<NodeId>,
    /// Checkpoints of its log that are known elsewhere (signed notes): from evidence, a witness, a monitor, MongoDB.
    pub checkpoints: Vec<String>,
}

/// What a backup was found to be, and what was made of it.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub facts: Facts,
    /// What the folder is for.
    pub kind: FolderKind,
    /// Entries of its log; `None` where it has none.
    pub log_size: Option<u64>,
    /// Files of the caller's that were put below `config.restored`, or are in the backup.
    pub config: Vec<String>,
    /// Logs of which the node is a witness, by `secrets/witness.logs`. What it cosigned last is in no backup: with an older
    /// memory it would cosign a fork.
    pub witnessed: u64,
}

/// Reads a whole backup, and makes nothing of it. That it opens as a data folder is not tried.
///
/// # Errors
/// [`ArchiveError::Locked`], [`ArchiveError::Damaged`], [`ArchiveError::OtherNode`]; of the `expected` checkpoints
/// [`ArchiveError::OlderThanKnown`], [`ArchiveError::Fork`] where one of the same size says so,
/// [`ArchiveError::Checkpoint`]; the operating system's.
pub fn check(
    from: &Path,
    opener: &Opener,
    expected: &Expected,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Restored, ArchiveError> {
    let mut noted = Noted::new(Nowhere);
    let Contents { facts, kind, key } = Input::open(from, opener)?.read(&mut noted, progress)?;
    check_node(from, &facts, expected)?;
    let mut log_size = None;
    if let (Some(text), Some(key)) = (&facts.checkpoint, key) {
        let verifier = key.log_key().verifier_key();
        let head = Checkpoint::verify(text, verifier).map_err(ArchiveError::Checkpoint)?;
        for text in &expected.checkpoints {
            let known = Checkpoint::verify(text, verifier).map_err(ArchiveError::Checkpoint)?;
            not_older(head.size, &known)?;
            if known.size == head.size && known.root != head.root {
                return Err(ArchiveError::Fork { size: known.size });
            }
        }
        log_size = Some(head.size);
    }
    let Noted { config, witnessed, .. } = noted;
    Ok(Restored { facts, kind, log_size, config, witnessed })
}

/// Makes the data folder `to` of a backup. It must be empty, but for `chunks` and what an interrupted restore left.
///
/// # Errors
/// [`ArchiveError::NotEmpty`], [`ArchiveError::InUse`], [`ArchiveError::NoRoom`] with nothing touched; then those of
/// [`check`], of the log in the backup, and the disk's, with nothing left that a node would start on.
pub fn restore(
    from: &Path,
    opener: &Opener,
    to: &Path,
    expected: &Expected,
    disk: &Disk,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Restored, ArchiveError> {
    let bytes = fs::metadata(from).doing("read", from)?.len();
    check_vacant(to)?;
    fs::create_dir_all(parent(to)).doing("create", parent(to))?;
    disk.make_folder(to).doing("create", to)?;
    let _lock = lock(to)?;
    // Again, now that nobody else makes anything here: what is cleared below is what a restore left.
    check_vacant(to)?;
    check_room(to, bytes)?;
    // What cannot be opened is no reason to clear anything.
    let input = Input::open(from, opener)?;
    let root = Root { path: to, disk };
    let made = root.clear().and_then(|()| root.make(input, expected, progress));
    match made {
        Ok(restored) => {
            root.name()?;
            Ok(restored)
        }
        Err(error) => {
            // The first error is the one to report; whatever is left has no `format`.
            let _ = root.clear();
            Err(error)
        }
    }
}

/// A backup that was opened.
struct Input<'a> {
    from: &'a Path,
    plain: Box<dyn Read>,
    /// Bytes of its file.
    total: u64,
}

impl<'a> Input<'a> {
    fn open(from: &'a Path, opener: &Opener) -> Result<Self, ArchiveError> {
        let file = open_file(from).doing("read", from)?;
        let total = file.metadata().doing("read", from)?.len();
        let plain = opener.open(BufReader::with_capacity(BUFFER_BYTES, file), from)?;
        Ok(Self { from, plain, total })
    }

    /// Reads it to its end.
    fn read(
        mut self,
        sink: &mut dyn Sink,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Contents, ArchiveError> {
        read(&mut *self.plain, self.from, sink, &mut |bytes| progress(bytes, self.total))
    }
}

fn check_node(from: &Path, facts: &Facts, expected: &Expected) -> Result<(), ArchiveError> {
    match expected.node {
        Some(expected) if facts.node_id != Some(expected) => {
            Err(ArchiveError::OtherNode { path: from.to_owned(), expected, found: facts.node_id })
        }
        _ => Ok(()),
    }
}

/// A log that has fewer entries than it is known to have had was put back.
fn not_older(size: u64, known: &Checkpoint) -> Result<(), ArchiveError> {
    match known.size > size {
        true => Err(ArchiveError::OlderThanKnown { size, later: known.size }),
        false => Ok(()),
    }
}

/// Refuses a folder that anything but ours is in.
fn check_vacant(to: &Path) -> Result<(), ArchiveError> {
    let entries = match fs::read_dir(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.doing("read", to)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.doing("read", to)?.file_name().to_string_lossy().into_owned());
    }
    let interrupted = names.iter().any(|name| name == MARKER);
    let is_ours = |name: &str| {
        let left = interrupted && left_by_restore(name);
        left || BROUGHT.contains(&name)
    };
    match names.into_iter().find(|name| !is_ours(name)) {
        Some(name) => Err(ArchiveError::NotEmpty { path: to.to_owned(), name }),
        None => Ok(()),
    }
}

/// What a restore makes at the folder's top; `format` is none of it until it has ended.
fn left_by_restore(name: &str) -> bool {
    const MADE: [&str; 9] =
        ["anchors", "keys", "log", "opening", "secrets", "sessions", "tunnels", CONFIG, RESTORED];
    MADE.contains(&name) || name.strip_suffix(".tmp").unwrap_or(name) == MARKER
}

/// The lock that a node would take, so that none starts meanwhile.
fn lock(to: &Path) -> Result<File, ArchiveError> {
    let path = to.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).doing("open", &path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(ArchiveError::InUse { path: to.to_owned() }),
        Err(error) => Err(io::Error::from(error)).doing("lock", &path),
    }
}

fn check_room(to: &Path, needed: u64) -> Result<(), ArchiveError> {
    let stat = statvfs(to).map_err(io::Error::from).doing("ask for free space at", to)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    match free < needed {
        true => Err(ArchiveError::NoRoom { path: to.to_owned(), free, needed }),
        false => Ok(()),
    }
}

/// The folder being made.
struct Root<'a> {
    path: &'a Path,
    disk: &'a Disk,
}

impl Root<'_> {
    /// Removes what an interrupted restore left, its marker last.
    fn clear(&self) -> Result<(), ArchiveError> {
        let entries = fs::read_dir(self.path).doing("read", self.path)?;
        for entry in entries.collect::<Vec<_>>() {
            let entry = entry.doing("read", self.path)?;
            let (path, name) = (entry.path(), entry.file_name());
            let ours = name.to_str().is_some_and(|name| name != MARKER && left_by_restore(name));
            if ours {
                self.disk.check(Op::Remove, &path).doing("remove", &path)?;
                let is_folder = entry.file_type().doing("look at", &path)?.is_dir();
                let removed =
                    if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.doing("remove", &path)?;
            }
        }
        let marker = self.path.join(MARKER);
        self.disk.remove(&marker).doing("remove", &marker)?;
        self.disk.sync_folder(self.path).doing("sync", self.path)
    }

    /// Everything but the name; what it gives is on the disk.
    fn make(
        &self,
        input: Input<'_>,
        expected: &Expected,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Restored, ArchiveError> {
        let from = input.from;
        // Opened first, so that a write that fails later is told to this descriptor's sync.
        let root = File::open(self.path).doing("open", self.path)?;
        let marker = self.path.join(MARKER);
        self.disk.write_file(&marker, b"").doing("write", &marker)?;
        let mut noted = Noted::new(Files::new(self.path, self.disk));
        let Contents { facts, kind, key } = input.read(&mut noted, progress)?;
        check_node(from, &facts, expected)?;
        for name in kind.subfolders() {
            noted.inner.make_folder(&self.path.join(name))?;
        }
        let Noted { config, witnessed, .. } = noted;
        if facts.node_id.is_some() {
            let mark = self.path.join(RESTORED);
            self.disk.write_file(&mark, MARK).doing("write", &mark)?;
        }
        self.disk.check(Op::SyncFolder, self.path).doing("sync", self.path)?;
        syncfs(&root).map_err(io::Error::from).doing("sync", self.path)?;
        let log_size = match (&facts.checkpoint, &key) {
            (Some(text), Some(key)) => Some(self.check_log(from, text, key, expected)?),
            _ => None,
        };
        let format = kind.format();
        self.disk.write_file(&marker, format.as_bytes()).doing("write", &marker)?;
        Ok(Restored { facts, kind, log_size, config, witnessed })
    }

    /// Whether the log opens as the backup says, and agrees with what is known of it elsewhere.
    fn check_log(
        &self,
        from: &Path,
        text: &str,
        key: &NodeKey,
        expected: &Expected,
    ) -> Result<u64, ArchiveError> {
        let verifier = key.log_key().verifier_key();
        let log = LogReader::open(&self.path.join("log"), verifier)?;
        if log.checkpoint_text() != text {
            return Err(ArchiveError::damaged(
                from,
                "its log has another checkpoint than its note",
            ));
        }
        for text in &expected.checkpoints {
            let known = Checkpoint::verify(text, verifier).map_err(ArchiveError::Checkpoint)?;
            not_older(log.size(), &known)?;
            if log.root_at(known.size)? != known.root {
                return Err(ArchiveError::Fork { size: known.size });
            }
        }
        Ok(log.size())
    }

    /// Makes it a data folder.
    fn name(&self) -> Result<(), ArchiveError> {
        let (marker, format) = (self.path.join(MARKER), self.path.join("format"));
        self.disk.rename(&marker, &format).doing("rename", &marker)?;
        self.disk.sync_folder(self.path).doing("sync", self.path)
    }
}
