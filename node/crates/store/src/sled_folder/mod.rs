//! A folder with a sled database in it, and what sled 0.34 leaves to its user: the folder's mode, the lock
//! that a closed database still holds for a moment, the names of its files, and a flush that reaches the
//! disk and not only the drive's cache.
//!
//! Databases that are projections of something else are opened through [`open_or_anew`], which moves what
//! cannot be trusted aside.

mod anew;
mod aside;

use std::{
    fs::{DirBuilder, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

pub use self::anew::Rebuilt;
pub(crate) use self::anew::{
    ASKED_FOR, Refusal, condemn, condemned, guarded, move_aside, open_or_anew,
};
use crate::{
    disk::{Disk, parent},
    error::{Doing, StoreError},
};

/// sled's I/O buffer and the unit it writes again at each start. A quarter of it holds a full page
/// (16 rows of at most 320 bytes, or 256 keys of an index page).
pub(crate) const SEGMENT_BYTES: usize = 64 << 10;
/// How often, and how long between, opening is tried while sled's lock is held. Its own threads hold
/// it for some milliseconds after the database was closed in the same process.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// An open database and its folder.
pub(crate) struct SledFolder {
    db: sled::Db,
    /// sled's file under a handle of our own, to sync it.
    data: File,
    data_path: PathBuf,
    folder: PathBuf,
    disk: Disk,
}

impl SledFolder {
    /// Opens the database in `folder`, or makes it, with pages of `cache_bytes` kept in memory.
    ///
    /// # Errors
    /// [`StoreError::Database`], the operating system's.
    pub(crate) fn open(folder: &Path, cache_bytes: u64, disk: &Disk) -> Result<Self, StoreError> {
        // sled makes its folder by the caller's umask; what is in it is nobody else's to read.
        DirBuilder::new().mode(0o700).recursive(true).create(folder).doing("create", folder)?;
        let data_path = folder.join("db");
        let fresh = !data_path.exists();
        let db = open_sled(folder, cache_bytes)
            .map_err(|source| StoreError::Database { path: folder.to_owned(), source })?;
        let data = File::open(&data_path).doing("open", &data_path)?;
        let opened = Self { db, data, data_path, folder: folder.to_owned(), disk: disk.clone() };
        if fresh {
            opened.flush()?;
            // sled syncs neither its settings nor the names of its files.
            let settings = folder.join("conf");
            let file = File::open(&settings).doing("open", &settings)?;
            disk.sync_file(&file, &settings).doing("sync", &settings)?;
            disk.sync_folder(folder).doing("sync", folder)?;
            disk.sync_folder(parent(folder)).doing("sync", parent(folder))?;
        }
        Ok(opened)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// One of its trees, made where it is not there.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) fn tree(&self, name: &str) -> Result<sled::Tree, StoreError> {
        self.sled(self.db.open_tree(name))
    }

    /// Brings everything written so far to the disk. sled's own flush ends in the drive's cache.
    ///
    /// # Errors
    /// [`StoreError::Database`], the disk's.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.sled(self.db.flush())?;
        self.disk.sync_file(&self.data, &self.data_path).doing("sync", &self.data_path)
    }

    /// Gives sled's errors their place.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) fn sled<T>(&self, result: sled::Result<T>) -> Result<T, StoreError> {
        result.map_err(|source| StoreError::Database { path: self.folder.clone(), source })
    }
}

fn open_sled(folder: &Path, cache_bytes: u64) -> sled::Result<sled::Db> {
    let config = sled::Config::new()
        .path(folder)
        .mode(sled::Mode::LowSpace)
        .segment_size(SEGMENT_BYTES)
        .cache_capacity(cache_bytes)
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
