//! What can be wrong with the log, in words that name the file, the entries and the way out.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use lucid_core::{
    EntryIndex, Hash, counted,
    entry::EntryError,
    merkle::{BundleError, ProofError, TileError},
    note::NoteError,
};

/// Why the log could not be opened, read, appended to or copied.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
    /// The folder holds no log.
    #[error(
        "there is no ledger log in {dir}: a new node makes one at `init`, an old one must have its \
         log put back from a backup or an export"
    )]
    NoLog {
        /// The log's folder.
        dir: PathBuf,
    },
    /// A new log would replace an old one.
    #[error("{dir} holds a ledger log already; a new one is not written over it")]
    Exists {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The folder holds nothing but an empty tail: its creation was cut short.
    #[error("the creation of the ledger log in {dir} was cut short: run `init` again")]
    NotCreated {
        /// The log's folder.
        dir: PathBuf,
    },
    /// There are entries and no checkpoint, which no crash leaves behind.
    #[error(
        "{path} is missing, and the log has entries up to {entries}: put back the checkpoint from \
         a backup; the node does not sign what it did not append"
    )]
    CheckpointMissing {
        /// The checkpoint's path.
        path: PathBuf,
        /// Entries that the tail says there are.
        entries: u64,
    },
    /// The checkpoint is malformed, or not signed by this node's key.
    #[error("{path} is damaged, or of another node")]
    CheckpointRefused {
        /// The checkpoint's path.
        path: PathBuf,
        /// What is wrong with it.
        source: NoteError,
    },
    /// The newest checkpoint is lost, and entries that it may have covered are there.
    #[error(
        "{path} is damaged: it has the checkpoint of {}, both copies of the other one are lost, and \
         {count} more in the tail may have been under that; put the file back from a backup",
        counted(*size, "entry")
    )]
    HeadLost {
        /// The head's path.
        path: PathBuf,
        /// Entries under the checkpoint that is left.
        size: u64,
        /// Records in the tail beyond it.
        count: u64,
    },
    /// The checkpoint says less than was settled under a later one, or the tail's header is wrong.
    #[error(
        "{path} speaks of {}, and {tail} begins at entry {settled}: one is of another \
         time than the other, or damaged; put back those of one time, the latest",
        counted(*size, "entry")
    )]
    CheckpointBehind {
        /// The checkpoint's path.
        path: PathBuf,
        /// Entries it covers.
        size: u64,
        /// The tail's path.
        tail: PathBuf,
        /// Entries in full bundles, by the tail's header.
        settled: u64,
    },
    /// Bundles are there that neither checkpoint nor tail know of.
    #[error(
        "{path} is there, but checkpoint and tail end at entry {size}: they are older than the \
         bundles (were only some files put back from a backup?); put back the later ones"
    )]
    RolledBack {
        /// The bundle's path.
        path: PathBuf,
        /// Entries that checkpoint and tail know of.
        size: u64,
    },
    /// Witnesses have cosigned more of the log than there is.
    #[error(
        "{path} says that witnesses have cosigned {}, and the log has {size}: it was rolled back (put \
         back from an older backup?), and what it would sign now they would call a fork; put back the \
         later log",
        counted(*cosigned, "entry")
    )]
    CosignedAhead {
        /// The cosigned checkpoint's path.
        path: PathBuf,
        /// Entries that it covers.
        cosigned: u64,
        /// Entries in the log.
        size: u64,
    },
    /// A checkpoint that was cosigned is none of this log's.
    #[error("cosignatures are kept of this log's checkpoints only, and this is none of them")]
    NotOurs,
    /// The tail is gone, and entries with it.
    #[error(
        "the log has lost entries {from} to {to}, {path} is missing: put it back from a backup"
    )]
    TailMissing {
        /// The tail's path.
        path: PathBuf,
        /// The first entry lost.
        from: EntryIndex,
        /// The last entry lost.
        to: EntryIndex,
    },
    /// The tail's header is not one.
    #[error("{path} does not begin as the tail of a log: {why}; put it back from a backup")]
    TailHeader {
        /// The tail's path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Entries that the checkpoint covers cannot be read from the tail.
    #[error(
        "the log has lost entries {from} to {to}: {path} {fault} at byte {offset}; put it back \
         from a backup"
    )]
    TailDamaged {
        /// The tail's path.
        path: PathBuf,
        /// Where the first unreadable record begins.
        offset: u64,
        /// What is wrong there.
        fault: TailFault,
        /// The first entry lost.
        from: EntryIndex,
        /// The last entry lost.
        to: EntryIndex,
    },
    /// A record of the tail is not what it was when the log was opened.
    #[error("{path} was changed under a running node: entry {index} at byte {offset}")]
    TailChanged {
        /// The tail's path.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// The record's entry.
        index: EntryIndex,
    },
    /// A full tile or bundle is gone.
    #[error(
        "{path} is missing: a tile can be rebuilt from the entries, a bundle must be put back from \
         a backup or an export"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A tile's file does not hold 256 hashes.
    #[error("{path} is damaged; tiles can be rebuilt from the entries")]
    Tile {
        /// The tile's path.
        path: PathBuf,
        /// What is wrong with it.
        source: TileError,
    },
    /// A tile's hash is not that of what lies below it.
    #[error(
        "{path} is damaged: hash {position} is not that of what it covers; tiles can be rebuilt \
         from the entries"
    )]
    TileDiffers {
        /// The tile's path.
        path: PathBuf,
        /// The first of its hashes that is wrong.
        position: usize,
    },
    /// A bundle's file does not hold 256 entries.
    #[error("{path} is damaged; put it back from a backup or an export")]
    Bundle {
        /// The bundle's path.
        path: PathBuf,
        /// What is wrong with it.
        source: BundleError,
    },
    /// An entry is not the one that was hashed into the tree.
    #[error(
        "entry {index} in {path} is not the one that the tree was built over; put the file back \
         from a backup or an export"
    )]
    EntryDiffers {
        /// The bundle's path.
        path: PathBuf,
        /// The entry.
        index: EntryIndex,
    },
    /// A bundle and its tile disagree, and nothing whole is left to say which is right.
    #[error("entry {index}: {bundle} and {tile} disagree, and one of them is damaged")]
    Disagree {
        /// The bundle's path.
        bundle: PathBuf,
        /// The tile's path.
        tile: PathBuf,
        /// The first entry they disagree about.
        index: EntryIndex,
    },
    /// An entry in the log is none that this version can read.
    #[error("entry {index} in {path} is not an entry of a ledger log")]
    EntryMalformed {
        /// The file.
        path: PathBuf,
        /// The entry.
        index: EntryIndex,
        /// What is wrong with it.
        source: EntryError,
    },
    /// A file that is about to be written is there with other bytes.
    #[error("{path} is there already and holds something else; move it away, then open again")]
    Occupied {
        /// The file.
        path: PathBuf,
    },
    /// The entries' root is not the signed one.
    #[error(
        "the log's root at size {size} is {computed}, and {path} signs {signed}: something was \
         changed; `ledger check` names it"
    )]
    RootMismatch {
        /// The checkpoint's path.
        path: PathBuf,
        /// Entries it covers.
        size: u64,
        /// The root it signs.
        signed: Hash,
        /// The root of what is there.
        computed: Hash,
    },
    /// Something was asked of entries that the log does not have.
    #[error("the log has {}; {asked} is beyond it", counted(*size, "entry"))]
    Beyond {
        /// What was asked for: an entry, or a size.
        asked: u64,
        /// Entries in the log.
        size: u64,
    },
    /// There is no such proof, or the stored hashes do not give it.
    #[error("no proof of this can be made from the log in {dir}")]
    Proof {
        /// The log's folder.
        dir: PathBuf,
        /// Why: where it speaks of roots, a tile is damaged, and `ledger check` names it.
        source: ProofError,
    },
    /// A checkpoint could not be signed, or a proof not be written down.
    #[error("a note about the log could not be made")]
    Note(#[from] NoteError),
    /// What should be appended is no entry.
    #[error("the entry at position {position} of this append is refused")]
    Refused {
        /// Counted from 0.
        position: usize,
        /// What is wrong with it.
        source: EntryError,
    },
    /// An earlier append failed and the state on disk is unknown.
    #[error("the log takes no more entries: restart the node to repair it. The cause: {cause}")]
    Poisoned {
        /// The error that was met.
        cause: String,
    },
    /// An export would mix with other files.
    #[error("{dir} is not empty and holds no export of this log: give an empty folder")]
    ExportFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// An older export in the folder is of another history.
    #[error(
        "{dir} holds an export of this node that is no earlier state of this log: one of the two \
         was tampered with; keep both"
    )]
    ExportDiverges {
        /// The folder.
        dir: PathBuf,
    },
}

/// What is wrong at a place in the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TailFault {
    /// The file ends between two records.
    #[error("ends")]
    Ends,
    /// The file ends inside a record.
    #[error("ends inside a record")]
    Short,
    /// The length is more than an entry may have.
    #[error("has an impossible length")]
    Length,
    /// The CRC-32C does not match.
    #[error("has a wrong checksum")]
    Checksum,
}

impl LogError {
    /// Wraps the operating system's error in what was tried on which file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// The same for a file that belongs to the log and must be there.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { doing: "read", path, source },
        }
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &LogError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
