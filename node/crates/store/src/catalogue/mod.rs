//! The catalogue of sessions: who has them, since when, in which state, and what has which hash.
//!
//! It is made from the log's entries and the roots of sealed sessions' chunks, and from nothing else, so it
//! can be thrown away. It never is the truth: a session's state is the store's to say, what is sealed its
//! manifest's. What it is for is finding: a list is one range of its tree, a hash a place in each of a few
//! runs, and sums are kept as entries come. What the keys are, `keys` says; what an entry does, `take`; what can
//! be asked, `query` and `search`.
//!
//! Invariants:
//! - what came of a page of entries, and that it did, is written in one batch: after a crash the tree stands
//!   for the log at some earlier moment, whole, and reading goes on from there;
//! - the root over the entries that were taken up is known at every moment, so that another log is noticed;
//! - a session's chunks are in it all or, while its entry is `unread`, some; taken up again they change nothing;
//! - memory is bounded by what is handed over at once, whatever the number of sessions and chunks.
//!
//! A crash loses what was not flushed; the log brings it back. One who writes at a time; others read meanwhile.

mod keys;
mod posting;
mod progress;
mod query;
mod row;
mod runs;
mod search;
mod stage;
mod take;
#[cfg(test)]
mod tests;
mod totals;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
};

use lucid_core::{EntryIndex, Hash, SessionId, merkle::TreeHead};

pub use self::{
    keys::HashKind,
    query::CatalogueFilter,
    row::CatalogueRow,
    search::HashMatch,
    totals::{Day, Totals},
};
use self::{progress::Progress, runs::Run, stage::Stage};
use crate::{disk::Disk, error::StoreError, projection::Projection, sled_folder::Rebuilt};

/// What the tree holds; another one is made anew.
const LAYOUT: &str = "lucid-catalogue 2";
/// Pages kept in memory. Looking up touches few; a Pi has 2 GiB for everything.
const CACHE_BYTES: u64 = 16 << 20;
/// Chunk roots that are taken up at once.
pub const CHUNK_ROOTS_MAX: usize = 4096;

/// The open catalogue.
pub struct Catalogue {
    files: Files,
    /// Whoever changes the catalogue has it.
    progress: Mutex<Progress>,
    /// The runs of hashes that are written. Whoever searches them has it.
    runs: RwLock<Vec<Run>>,
}

/// How far a catalogue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CatalogueProgress {
    /// The log as far as it is taken up.
    pub head: TreeHead,
    /// Sealed sessions whose chunks are still to be read.
    pub unread: u64,
}

/// A sealed session whose chunks are still to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnreadSession {
    /// Place of its `session.sealed` entry.
    pub sealed: EntryIndex,
    /// The session.
    pub session: SessionId,
    /// Chunks that it has.
    pub chunk_count: u32,
    /// The root over them.
    pub merkle_root: Hash,
    /// Place of its `session.opened` entry.
    place: EntryIndex,
}

/// Roots of a session's chunks, which were compared with what it was sealed as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadChunks {
    /// The session.
    pub of: UnreadSession,
    /// The chunk that the first one is of.
    pub first: u32,
    /// The roots, in order.
    pub roots: Vec<Hash>,
    /// Bytes of all its chunk files, where these roots are its last ones: then it is not unread any more.
    pub stored_bytes: Option<u64>,
}

/// The database's files, and its one tree.
struct Files {
    projection: Projection,
    tree: sled::Tree,
}

impl Files {
    fn sled<T>(&self, result: sled::Result<T>) -> Result<T, StoreError> {
        self.projection.sled(result)
    }

    fn unsound(&self, reason: &str) -> StoreError {
        self.projection.unsound(reason)
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.sled(self.tree.get(key))
    }
}

impl Catalogue {
    /// Opens the catalogue in `folder`, or makes an empty one. One that cannot be trusted is moved aside and
    /// begun again; the second part of the answer says so, and is there for a new one too.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(folder: &Path, disk: &Disk) -> Result<(Self, Option<Rebuilt>), StoreError> {
        let (projection, mut anew) = Projection::open(folder, LAYOUT, CACHE_BYTES, disk)?;
        match Self::over(projection) {
            Ok(catalogue) => Ok((catalogue, anew)),
            // What says how far it is turned out to be none, and it is condemned.
            Err(StoreError::Database { .. }) => {
                let (projection, again) = Projection::open(folder, LAYOUT, CACHE_BYTES, disk)?;
                anew = again.or(anew);
                Ok((Self::over(projection)?, anew))
            }
            Err(error) => Err(error),
        }
    }

    /// Moves the catalogue in `folder` aside, which nobody may have open, and begins another one, because of
    /// `reason`.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin_anew(
        folder: &Path,
        disk: &Disk,
        reason: &str,
    ) -> Result<(Self, Option<Rebuilt>), StoreError> {
        let (projection, anew) = Projection::begin_anew(folder, LAYOUT, CACHE_BYTES, disk, reason)?;
        Ok((Self::over(projection)?, anew))
    }

    fn over(projection: Projection) -> Result<Self, StoreError> {
        let tree = projection.tree("catalogue")?;
        let files = Files { projection, tree };
        let progress = match files.get(keys::PROGRESS)? {
            None => Progress::default(),
            Some(bytes) => Progress::parse(&bytes)
                .ok_or_else(|| files.unsound("what says how far the catalogue is, is not that"))?,
        };
        let runs = RwLock::new(progress.runs.clone());
        Ok(Self { files, progress: Mutex::new(progress), runs })
    }

    /// Entries under the newest anchor of the log, as far as it is taken up; 0 where there is none.
    #[must_use]
    pub fn anchored_size(&self) -> u64 {
        self.lock().anchored
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> CatalogueProgress {
        let progress = self.lock();
        CatalogueProgress { head: progress.head(), unread: progress.unread }
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// [`StoreError::Database`], the disk's.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.files.projection.flush()
    }

    /// Takes up the next entries of the log, each exactly its bytes: all of them, or on an error that they
    /// have, none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one is none, [`StoreError::Database`].
    pub fn take_entries<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), StoreError> {
        self.change(|stage, progress| {
            entries.into_iter().try_for_each(|entry| take::entry(stage, progress, entry))
        })
    }

    /// Takes up roots of sessions' chunks, of which [`CHUNK_ROOTS_MAX`] should not be far exceeded: all of
    /// them, or on an error none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn take_chunks(&self, chunks: &[ReadChunks]) -> Result<(), StoreError> {
        self.change(|stage, progress| {
            chunks.iter().try_for_each(|chunks| take::chunks(stage, progress, chunks))
        })
    }

    /// Makes a change and that it was made one batch.
    fn change(
        &self,
        change: impl FnOnce(&mut Stage<'_>, &mut Progress) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut progress = self.lock();
        let (mut stage, mut next) = (Stage::new(&self.files), progress.clone());
        change(&mut stage, &mut next)?;
        runs::add(&mut stage, &mut next.runs);
        self.write(&mut progress, stage, next)?;
        loop {
            let (mut stage, mut next) = (Stage::new(&self.files), progress.clone());
            if !runs::merge(&mut stage, &mut next.runs)? {
                return Ok(());
            }
            self.write(&mut progress, stage, next)?;
        }
    }

    /// Writes what has been staged, and how far that is.
    fn write(
        &self,
        progress: &mut Progress,
        mut stage: Stage<'_>,
        next: Progress,
    ) -> Result<(), StoreError> {
        stage.set(keys::PROGRESS.to_vec(), next.to_bytes());
        let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
        stage.write()?;
        runs.clone_from(&next.runs);
        *progress = next;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // It is assigned whole, after what it stands for was written.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
