//! The ledger log: the append-only truth of what the node has attested.
//!
//! This module owns the folder `log/`: the files and when they are synced, the signed checkpoint, and
//! proofs from them. It leaves to others what an entry means (`lucid_core::entry`), when one is made,
//! and who may open the folder (one process at a time, one [`Log`]; put it behind a mutex).
//!
//! ```text
//! log/head                       the checkpoint, a signed note of size and root (C2SP tlog-checkpoint)
//! log/cosigned                   the latest checkpoint that witnesses cosigned, where there are any
//! log/tail                       entries that are not yet in a full bundle, append-only
//! log/tile/entries/001           full entry bundles, 256 entries (C2SP tlog-tiles)
//! log/tile/0/001                 full hash tiles of each level, 256 hashes
//! ```
//!
//! The first `start` entries, a multiple of 256, are *settled*: their bundles and tiles are on disk,
//! never to be written again. The tail begins at `start`. Partial tiles and bundles are made from the
//! tail when asked for.
//!
//! # Appending
//!
//! 1. The records of all entries of the call go to the tail, in one write, then `fdatasync`.
//! 2. The new checkpoint is signed, written over the one before the present one in `head`, then
//!    `fdatasync`. Now the entries are in the log, and the call will be answered with their indexes.
//! 3. Where the tail has 256 entries or more, bundles and the tiles they fill are written, each under
//!    a temporary name and synced, then their folders; then a new tail with the rest replaces the old.
//!
//! So an entry costs its own bytes, once more in its bundle, and a checkpoint shared by its group.
//!
//! An error in 1 or 2 is returned, and the log then refuses appends until it is opened again: what the
//! disk holds is unknown (a failed `fdatasync` may have dropped pages that look written). An error in 3
//! takes nothing back from the entries; it is logged, and later appends are refused likewise.
//!
//! # Invariants
//!
//! - The checkpoint on disk covers every acknowledged entry, and is consistent with every checkpoint
//!   that was ever given out: only what is durable is signed, no checkpoint is shown before it is
//!   durable itself, and what it covers is never cut.
//! - Only [`Log::append`] signs, and only for entries it was given: what lies in the tail beyond the
//!   checkpoint is anybody's who could write there.
//! - At any time: `start <= checkpoint size <= start + whole records of the tail`.
//! - `cosigned` is a checkpoint of this log, current or earlier, and never taken back to an earlier one:
//!   a log of fewer entries than a witness has seen was rolled back, and does not open.
//! - A file below `tile/` is whole, and all that it covers is under a durable checkpoint.
//!
//! # What a crash can lose
//!
//! Nothing that was acknowledged. An append that was not answered is in the log after opening, with
//! all its entries, or not at all. Opening to append puts right what a crash leaves ([`Repair`]):
//! records beyond the checkpoint, whole or torn, are dropped; full bundles still in the tail are moved
//! out; temporary files are removed; a copy of the checkpoint that is torn is written again.
//!
//! Everything else is damage or tampering, and an error that names file and place: records missing or
//! wrong that the checkpoint covers, a root other than the signed one, a tile of the wrong length, a
//! checkpoint older than the bundles. So is a missing checkpoint: once a log was created there always
//! is one, and if a node signed whatever it found without one, whoever can delete a file could make it
//! sign a second history. For the same reason [`Log::open`] never makes a log; [`Log::create`], which
//! the node calls once, at `init`, makes one where nothing is but what a cut creation leaves: an empty
//! tail.

mod append;
mod check;
mod cosigned;
mod error;
mod export;
mod finding;
mod head;
mod open;
mod read;
mod rebuild;
mod repair;
mod tail;
mod tiles;

use std::{
    collections::HashSet,
    fs::File,
    ops::Deref,
    path::{Path, PathBuf},
};

use lucid_core::{
    merkle::EMPTY_ROOT,
    note::{Checkpoint, SigningKey, VerifierKey},
};

use self::head::Head;
pub use self::{
    append::Prepared,
    check::check,
    cosigned::Cosigned,
    error::{LogError, TailFault},
    export::ExportReport,
    finding::{CheckReport, Finding, Remedy},
    read::{Entries, LogReader},
    rebuild::{RebuildReport, rebuild_tiles},
    repair::Repair,
};
use crate::disk::{Disk, parent};

/// The log, open to append: a [`LogReader`] that also grows.
pub struct Log {
    reader: LogReader,
    key: SigningKey,
    disk: Disk,
    /// The tail, to write at its end.
    tail_end: File,
    /// The checkpoint, to write in place.
    head: Head,
    /// Folders whose names are known to be durable.
    durable: HashSet<PathBuf>,
    /// Why the log takes no more entries.
    poisoned: Option<String>,
}

impl Log {
    /// Makes the log of a new node in the folder `dir`, whose parent is there: an empty tail, then the
    /// checkpoint of the empty tree. A creation that was cut short is done again.
    ///
    /// # Errors
    /// [`LogError::Exists`] where there is anything of a log but that; [`LogError::Io`].
    pub fn create(dir: &Path, key: SigningKey, disk: Disk) -> Result<Self, LogError> {
        // The folder may be of a creation that was cut short before its name was durable.
        disk.make_folder(dir)
            .and_then(|()| disk.sync_folder(parent(dir)))
            .map_err(LogError::io("create", dir))?;
        match open::load(dir, key.verifier_key()) {
            Err(LogError::NoLog { .. } | LogError::NotCreated { .. }) => {}
            Err(LogError::Io { doing, path, source }) => {
                return Err(LogError::Io { doing, path, source });
            }
            _ => {
                return Err(LogError::Exists { dir: dir.to_owned() });
            }
        }
        let tail = open::tail_path(dir);
        disk.write_file(&tail, &tail::header(0)).map_err(LogError::io("write", &tail))?;
        let empty = Checkpoint { origin: key.name().clone(), size: 0, root: EMPTY_ROOT };
        head::create(dir, &empty.sign(&key)?, &disk)?;
        Self::open(dir, key, disk)
    }

    /// Opens the log in `dir` to append, and repairs what a crash left behind; see [`Repair`] for what
    /// that can be, and [`LogReader::repairs`] for what it was.
    ///
    /// # Errors
    /// As [`LogReader::open`], and [`LogError::Io`] where a repair fails.
    pub fn open(dir: &Path, key: SigningKey, disk: Disk) -> Result<Self, LogError> {
        let reader = open::load(dir, key.verifier_key())?;
        for repair in &reader.repairs {
            tracing::warn!(log = %dir.display(), "{repair}");
        }
        append::repair(reader, key, disk)
    }

    /// [`LogReader::open`]: to read without the private key, repairing nothing.
    ///
    /// # Errors
    /// As [`LogReader::open`].
    pub fn open_read_only(dir: &Path, key: &VerifierKey) -> Result<LogReader, LogError> {
        LogReader::open(dir, key)
    }

    /// Why the log refuses appends until it is opened again, where it does.
    #[must_use]
    pub fn poisoned(&self) -> Option<&str> {
        self.poisoned.as_deref()
    }
}

impl Deref for Log {
    type Target = LogReader;

    fn deref(&self) -> &LogReader {
        &self.reader
    }
}
